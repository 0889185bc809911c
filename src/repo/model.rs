//! What repositories offer, as data.
//!
//! openSUSE Tumbleweed has some 45,000 packages with two million dependencies, but few different words: every name,
//! version and path is kept once, in [`Words`], and is a number elsewhere.

use std::{collections::HashMap, fmt, sync::Arc};

use super::Checksum;
use crate::cache::Digest;

/// A text of [`Words`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(u32);

impl Word {
    /// Its number: below [`Words::len`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Texts, each kept once. The first is the empty one.
#[derive(Clone, Debug)]
pub struct Words {
    texts: Vec<Arc<str>>,
    known: HashMap<Arc<str>, Word>,
}

impl Default for Words {
    fn default() -> Self {
        let empty: Arc<str> = Arc::from("");
        Self { texts: vec![empty.clone()], known: HashMap::from([(empty, Word(0))]) }
    }
}

impl Words {
    /// The number of a text; a new one is kept.
    ///
    /// Readers bound what they take in, so that the number always fits: 2³² texts need more metadata than is allowed.
    pub fn add(&mut self, text: &str) -> Word {
        if let Some(word) = self.known.get(text) {
            return *word;
        }
        let word = Word(u32::try_from(self.texts.len()).expect("metadata is bounded to less than 2^32 bytes"));
        let text: Arc<str> = Arc::from(text);
        self.texts.push(text.clone());
        self.known.insert(text, word);
        word
    }

    /// The number of a text that is known.
    pub fn find(&self, text: &str) -> Option<Word> {
        self.known.get(text).copied()
    }

    /// The text.
    pub fn get(&self, word: Word) -> &str {
        &self.texts[word.index()]
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Never: the empty text is always known.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// All texts in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }
}

/// How a capability compares versions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// Any version.
    #[default]
    Any,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
}

impl Relation {
    /// From rpm-md's `flags` attribute.
    pub fn from_flags(flags: &str) -> Self {
        match flags {
            "LT" => Self::Less,
            "LE" => Self::LessEqual,
            "EQ" => Self::Equal,
            "GE" => Self::GreaterEqual,
            "GT" => Self::Greater,
            _ => Self::Any,
        }
    }

    /// From the operator that people and rich dependencies write.
    pub fn from_operator(operator: &str) -> Option<Self> {
        Some(match operator {
            "<" => Self::Less,
            "<=" | "=<" => Self::LessEqual,
            "=" | "==" => Self::Equal,
            ">=" | "=>" => Self::GreaterEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }
}

/// Something that packages provide or want: a name, a path, `pattern() = base`, a rich dependency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// The name, or all of a rich dependency with its parentheses.
    pub name: Word,
    /// How the version compares.
    pub relation: Relation,
    /// `[epoch:]version[-release]`; empty where the relation is [`Relation::Any`].
    pub version: Word,
}

/// A package as its repository describes it.
#[derive(Clone, Debug)]
pub struct Package {
    /// Name.
    pub name: Word,
    /// `[epoch:]version-release`; an epoch of 0 is left out.
    pub evr: Word,
    /// Architecture.
    pub arch: Word,
    /// Of the package file.
    pub checksum: Checksum,
    /// Path of the package file below the repository, or its whole address.
    pub location: Box<str>,
    /// Size of the package file in bytes.
    pub size: u64,
    /// Size of the installed files in bytes.
    pub installed_size: u64,
    /// When it was built, in seconds since 1970.
    pub build_time: i64,
    /// What it is and wants.
    pub dependencies: Dependencies,
    /// Those of its paths that the primary metadata lists.
    pub files: Vec<Word>,
}

/// A package's capabilities by kind.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    /// What it offers.
    pub provides: Vec<Capability>,
    /// What it cannot be without.
    pub requires: Vec<Capability>,
    /// What it cannot be together with.
    pub conflicts: Vec<Capability>,
    /// What it replaces.
    pub obsoletes: Vec<Capability>,
    /// What should come along.
    pub recommends: Vec<Capability>,
    /// What may come along.
    pub suggests: Vec<Capability>,
    /// What it should come along with.
    pub supplements: Vec<Capability>,
    /// What it may come along with.
    pub enhances: Vec<Capability>,
}

impl Dependencies {
    /// Everything that it wants or refuses: all kinds but the provides.
    pub fn wants(&self) -> impl Iterator<Item = &Capability> {
        [
            &self.requires,
            &self.conflicts,
            &self.obsoletes,
            &self.recommends,
            &self.suggests,
            &self.supplements,
            &self.enhances,
        ]
        .into_iter()
        .flatten()
    }
}

/// What one repository was when it was read: kept in the lock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// `revision` of its `repomd.xml`; mostly a time in seconds.
    pub revision: String,
    /// Fingerprint of the key that signed it; nothing when the signature was not asked for.
    pub key: Option<String>,
    /// The newest timestamp in it, in seconds since 1970.
    pub time: i64,
    /// Its `repomd.xml`.
    pub repomd: Option<Digest>,
}

/// The packages of one repository.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The repository's alias.
    pub alias: String,
    /// zypper's number: 1 first, 99 by default.
    pub priority: u32,
    /// What it was when it was read.
    pub state: State,
    /// All texts below.
    pub words: Words,
    /// In the order of the metadata.
    pub packages: Vec<Package>,
    /// Whether there are file lists that were not read yet.
    pub(super) filelists: Option<super::repomd::Data>,
}

impl State {
    /// Whether it has a lower revision; revisions that are no numbers cannot be compared.
    pub fn is_older_than(&self, revision: &str) -> bool {
        matches!((self.revision.parse::<u64>(), revision.parse::<u64>()), (Ok(own), Ok(other)) if own < other)
    }
}

impl Offer {
    /// The warning about a repository that went back: a mirror may hide updates (`ENGINEERING` II.34).
    pub fn older_than(&self, revision: &str, how: &str) -> String {
        let (alias, own) = (&self.alias, &self.state.revision);
        format!(
            "repository `{alias}` has revision {own}, older than the {revision} that {how}: its mirror is behind, or hides updates"
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "revision {}", self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_once() {
        let mut words = Words::default();
        assert_eq!(words.add(""), Word::default());
        let bash = words.add("bash");
        assert_eq!((words.add("bash"), words.find("bash"), words.find("zsh")), (bash, Some(bash), None));
        assert_eq!((words.get(bash), words.len()), ("bash", 2));
    }
}
