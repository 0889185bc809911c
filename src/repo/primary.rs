//! `primary.xml`: a repository's packages with their dependencies.

use std::{collections::HashMap, io::Read};

use super::{
    Checksum,
    model::{Capability, Dependencies, Package, Relation, Word, Words},
    xml::{Error, Tag, Visit, walk},
};

/// Reads all packages; source packages are left out.
pub(super) fn parse(from: impl Read) -> Result<(Words, Vec<Package>), Error> {
    let mut reading = Reading::default();
    walk(from, &mut reading)?;
    if !reading.is_primary {
        return Err(Error::content("there is no `metadata` element"));
    }
    Ok((reading.words, reading.packages))
}

#[derive(Default)]
struct Reading {
    is_primary: bool,
    words: Words,
    packages: Vec<Package>,
    package: Draft,
    within: Option<Kind>,
    algorithm: String,
    /// Versions are spelt out of three attributes; most come up again and again.
    versions: HashMap<(String, String, String), Word>,
    attributes: [String; 5],
}

#[derive(Default)]
struct Draft {
    name: Word,
    arch: Word,
    evr: Word,
    checksum: Option<Checksum>,
    location: String,
    base: Option<String>,
    size: u64,
    installed_size: u64,
    build_time: i64,
    dependencies: Dependencies,
    files: Vec<Word>,
}

/// A list of dependencies.
#[derive(Clone, Copy)]
enum Kind {
    Provides,
    Requires,
    Conflicts,
    Obsoletes,
    Recommends,
    Suggests,
    Supplements,
    Enhances,
}

impl Kind {
    fn from_tag(name: &str) -> Option<Self> {
        Some(match name {
            "provides" => Self::Provides,
            "requires" => Self::Requires,
            "conflicts" => Self::Conflicts,
            "obsoletes" => Self::Obsoletes,
            "recommends" => Self::Recommends,
            "suggests" => Self::Suggests,
            "supplements" => Self::Supplements,
            "enhances" => Self::Enhances,
            _ => return None,
        })
    }

    fn of(self, dependencies: &mut Dependencies) -> &mut Vec<Capability> {
        match self {
            Self::Provides => &mut dependencies.provides,
            Self::Requires => &mut dependencies.requires,
            Self::Conflicts => &mut dependencies.conflicts,
            Self::Obsoletes => &mut dependencies.obsoletes,
            Self::Recommends => &mut dependencies.recommends,
            Self::Suggests => &mut dependencies.suggests,
            Self::Supplements => &mut dependencies.supplements,
            Self::Enhances => &mut dependencies.enhances,
        }
    }
}

impl Visit for Reading {
    fn start(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
        match tag.name() {
            "entry" => self.entry(tag)?,
            "metadata" => self.is_primary = true,
            "package" => self.package = Draft::default(),
            "version" => self.package.evr = self.version(tag)?.unwrap_or_default(),
            "checksum" => self.algorithm = tag.attribute("type")?.unwrap_or_default(),
            "time" => self.package.build_time = number(tag, "build")?,
            "size" => {
                self.package.size = number(tag, "package")?;
                self.package.installed_size = number(tag, "installed")?;
            }
            "location" => {
                self.package.location = tag.attribute("href")?.unwrap_or_default();
                self.package.base = tag.attribute("base")?;
            }
            name => self.within = Kind::from_tag(name).or(self.within),
        }
        Ok(())
    }

    fn end(&mut self, name: &str, text: &str) -> Result<(), Error> {
        match name {
            "name" => self.package.name = self.words.add(text.trim()),
            "arch" => self.package.arch = self.words.add(text.trim()),
            "checksum" => self.package.checksum = Checksum::parse(&self.algorithm, text),
            "file" => {
                let file = self.words.add(text);
                self.package.files.push(file);
            }
            "package" => self.finish()?,
            name if Kind::from_tag(name).is_some() => self.within = None,
            _ => {}
        }
        Ok(())
    }
}

impl Reading {
    fn entry(&mut self, tag: &Tag<'_>) -> Result<(), Error> {
        let Some(kind) = self.within else { return Ok(()) };
        let version = self.version(tag)?;
        let [name, flags, ..] = &self.attributes;
        let name = self.words.add(name);
        let relation = if version.is_some() { Relation::from_flags(flags) } else { Relation::Any };
        let version = if relation == Relation::Any { Word::default() } else { version.unwrap_or_default() };
        kind.of(&mut self.package.dependencies).push(Capability { name, relation, version });
        Ok(())
    }

    /// `[epoch:]version[-release]` of a tag; leaves `name` and `flags` behind.
    fn version(&mut self, tag: &Tag<'_>) -> Result<Option<Word>, Error> {
        self.attributes.iter_mut().for_each(String::clear);
        let [name, flags, epoch, ver, rel] = &mut self.attributes;
        tag.attributes(|key, value| {
            let slot = match key {
                "name" => &mut *name,
                "flags" => &mut *flags,
                "epoch" => &mut *epoch,
                "ver" => &mut *ver,
                "rel" => &mut *rel,
                _ => return,
            };
            slot.push_str(&value);
        })?;
        if ver.is_empty() {
            return Ok(None);
        }
        let key = (std::mem::take(epoch), std::mem::take(ver), std::mem::take(rel));
        if let Some(word) = self.versions.get(&key) {
            return Ok(Some(*word));
        }
        let (epoch, ver, rel) = &key;
        let mut text = if epoch.is_empty() || epoch == "0" { String::new() } else { format!("{epoch}:") };
        text.push_str(ver);
        if !rel.is_empty() {
            text.push('-');
            text.push_str(rel);
        }
        let word = self.words.add(&text);
        self.versions.insert(key, word);
        Ok(Some(word))
    }

    fn finish(&mut self) -> Result<(), Error> {
        let draft = std::mem::take(&mut self.package);
        let name = self.words.get(draft.name);
        if matches!(self.words.get(draft.arch), "src" | "nosrc") {
            return Ok(());
        }
        let missing = |what: &str| Err(Error::content(format!("package `{name}` has no {what}")));
        if name.is_empty() {
            return missing("name");
        }
        if self.words.get(draft.evr).is_empty() {
            return missing("version");
        }
        let Some(checksum) = draft.checksum else { return missing("usable checksum") };
        if draft.location.is_empty() {
            return missing("location");
        }
        let location = match draft.base {
            Some(base) if !base.is_empty() => format!("{}/{}", base.trim_end_matches('/'), draft.location),
            _ => draft.location,
        };
        self.packages.push(Package {
            name: draft.name,
            evr: draft.evr,
            arch: draft.arch,
            checksum,
            location: location.into_boxed_str(),
            size: draft.size,
            installed_size: draft.installed_size,
            build_time: draft.build_time,
            dependencies: draft.dependencies,
            files: draft.files,
        });
        Ok(())
    }
}

/// A number in an attribute; one that is missing or is none counts as 0, as libsolv has it.
fn number<T: std::str::FromStr + Default>(tag: &Tag<'_>, name: &str) -> Result<T, Error> {
    Ok(tag.attribute(name)?.and_then(|text| text.parse().ok()).unwrap_or_default())
}
