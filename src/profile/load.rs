//! Files in, one checked profile out.

use std::{collections::BTreeSet, env};

use super::{
    Arch, Choice, Faults, Loaded, Origins, Place, Source,
    faults::option,
    find::{self, Found, Kind},
    merge::{Target, assignment, guard, merge},
    node::{Key, Node, Value, parse},
    read::{self, Reader},
    schema,
    shape::{Checker, Shape},
};
use crate::report::Diagnostic;

/// The distribution where neither profile nor `ROWI_DISTRIBUTION` names one.
const DEFAULT_DISTRIBUTION: &str = "opensuse-tumbleweed";
/// Keys of a platform that a profile may change.
const PLATFORM_KEYS: &[&str] = &["disk", "bootloader", "formats"];

/// The shape of a kind of file.
pub(super) fn shape(kind: Kind) -> &'static Shape {
    match kind {
        Kind::Profile => &schema::PROFILE,
        Kind::Platform => &schema::PLATFORM,
        Kind::Distribution => &schema::DISTRIBUTION,
    }
}

/// Finds, reads, merges and checks what is asked for.
pub fn load(choice: &Choice) -> Result<Loaded, Faults> {
    let mut loader = Loader { choice, faults: Vec::new(), files: Vec::new() };
    let trees = loader.trees();
    let Some((target, trees)) = trees else {
        return Err(Faults::check(loader.faults).expect_err("a tree is missing for a reason that was told"));
    };
    let mut reader = Reader {
        profile: &trees.profile,
        platform: &trees.platform,
        distribution: &trees.distribution,
        target: &target,
        choice,
        faults: Vec::new(),
        warnings: Vec::new(),
        notes: Vec::new(),
        replaced: Default::default(),
    };
    let profile = reader.read();
    let (warnings, faults) = (reader.warnings, reader.faults);
    loader.faults.extend(faults);
    Faults::check(loader.faults)?;
    let keys = key_blocks(&trees.distribution);
    let mirrors = choice
        .mirrors
        .iter()
        .filter_map(|text| text.split_once('='))
        .map(|(from, to)| (from.into(), to.into()))
        .collect();
    let files = loader.files;
    Ok(Loaded {
        files,
        profile,
        origins: Origins::new(trees.profile, trees.platform, trees.distribution),
        warnings,
        keys,
        mirrors,
    })
}

/// The merged trees.
struct Trees {
    profile: Node,
    platform: Node,
    distribution: Node,
}

struct Loader<'a> {
    choice: &'a Choice,
    faults: Vec<Diagnostic>,
    files: Vec<Source>,
}

impl Loader<'_> {
    fn trees(&mut self) -> Option<(Target, Trees)> {
        self.mirrors();
        let chain = self.chain(&self.choice.profile.clone(), &option("--profile"));
        let platform = self.named(Kind::Platform, &chain, "platform", self.choice.platform.as_deref(), None);
        let fallback = env::var("ROWI_DISTRIBUTION").ok().filter(|name| !name.is_empty());
        let fallback = fallback.as_deref().unwrap_or(DEFAULT_DISTRIBUTION);
        let distribution =
            self.named(Kind::Distribution, &chain, "distribution", self.choice.distribution.as_deref(), Some(fallback));
        if chain.is_empty() {
            return None;
        }
        let (platform, distribution) = (platform?, distribution?);
        let name = |node: &Node| node.get("name").and_then(Node::as_str).unwrap_or_default().to_owned();
        let target =
            Target { arch: self.arch(&platform), platform: name(&platform), distribution: name(&distribution) };
        let trees = self.merged(&target, chain, platform, distribution);
        Some((target, trees))
    }

    fn mirrors(&mut self) {
        for text in &self.choice.mirrors {
            if !text.split_once('=').is_some_and(|(from, to)| from.contains(':') && to.contains(':')) {
                let fault = Diagnostic::at(option("--mirror"), format!("`--mirror {text}` is not FROM=TO"));
                self.faults.push(fault.hint("two addresses, for example `--mirror https://cdn.opensuse.org=https://mirror.example.org/opensuse`"));
            }
        }
    }

    /// A profile and all that it extends, parents first, each once.
    fn chain(&mut self, name: &str, from: &Place) -> Vec<Node> {
        let mut chain = Vec::new();
        self.extend(name, from, &mut Vec::new(), &mut BTreeSet::new(), &mut chain);
        chain
    }

    fn extend(
        &mut self,
        name: &str,
        from: &Place,
        open: &mut Vec<std::path::PathBuf>,
        done: &mut BTreeSet<std::path::PathBuf>,
        chain: &mut Vec<Node>,
    ) {
        let found = match find::file(Kind::Profile, name, from) {
            Ok(found) => found,
            Err(fault) => return self.faults.push(fault),
        };
        let path = found.path.clone();
        if open.contains(&path) {
            let names: Vec<String> = open.iter().chain([&path]).map(|path| path.display().to_string()).collect();
            let fault =
                Diagnostic::at(from.clone(), format!("profiles extend each other in a circle: {}", names.join(" → ")));
            return self.faults.push(fault);
        }
        if !done.insert(path.clone()) {
            return;
        }
        let Some(tree) = self.parsed(Kind::Profile, found) else { return };
        open.push(path);
        for parent in tree.get("extends").map(Node::items).unwrap_or_default() {
            if let Some(name) = parent.as_str() {
                self.extend(name, &parent.place, open, done, chain);
            }
        }
        open.pop();
        chain.push(tree);
    }

    /// Platform or distribution: the command line's, the profile's, the default.
    fn named(
        &mut self,
        kind: Kind,
        chain: &[Node],
        key: &str,
        asked: Option<&str>,
        default: Option<&str>,
    ) -> Option<Node> {
        let said = chain.iter().rev().find_map(|tree| tree.get(key));
        let (name, place) = match (asked, said) {
            (Some(name), _) => (name, option(&format!("--{key}"))),
            (None, Some(node)) => (node.as_str()?, node.place.clone()),
            (None, None) => match default {
                Some(name) => (name, option(&format!("--{key}"))),
                None if chain.is_empty() => return None,
                None => {
                    let fault = Diagnostic::at(
                        chain.last()?.place.clone(),
                        format!("neither the profile nor `--{key}` names a {key}"),
                    );
                    self.faults.push(fault.hint(format!("`--{key} vm`, or `{key}: vm` in the profile")));
                    return None;
                }
            },
        };
        match find::file(kind, name, &place) {
            Ok(found) => self.parsed(kind, found),
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    fn parsed(&mut self, kind: Kind, found: Found) -> Option<Node> {
        let tree = match parse(&found.text, &found.path) {
            Ok(tree) => tree,
            Err(broken) => {
                self.faults.push(Diagnostic::at(broken.place, broken.message));
                return None;
            }
        };
        self.head(kind, &tree, &found);
        self.files.push(Source { kind, file: found.path.clone(), built_in: found.built_in });
        Checker { arch_maps: kind != Kind::Profile, faults: &mut self.faults }.check(shape(kind), &tree, "");
        Some(tree)
    }

    /// `kind` and `name`, and that the name is the file's.
    fn head(&mut self, kind: Kind, tree: &Node, found: &Found) {
        let Value::Map(entries) = &tree.value else { return };
        if tree.get("kind").is_none() {
            let fault = Diagnostic::at(tree.place.clone(), "the file has no `kind`");
            self.faults.push(fault.hint(format!("`kind: {}`", kind.as_str())));
        }
        let stem = found.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        match tree.get("name") {
            None => self
                .faults
                .push(Diagnostic::at(tree.place.clone(), "the file has no `name`").hint(format!("`name: {stem}`"))),
            Some(name) if name.as_str() != Some(stem) => {
                let message = format!("`name` is `{}`, and the file's name is `{stem}`", name.shown());
                self.faults.push(
                    Diagnostic::at(name.place.clone(), message).hint(format!("`name: {stem}`, or rename the file")),
                );
            }
            Some(name) if !is_name(stem) => {
                let fault =
                    Diagnostic::at(name.place.clone(), format!("`{}` is no name for a file", stem.escape_debug()));
                self.faults.push(fault.hint("letters, digits, `.`, `_` and `-`: results are named after it"));
            }
            Some(_) => {}
        }
        let first: Vec<&str> = entries.iter().take(2).map(|(key, _)| key.name.as_str()).collect();
        if first != ["kind", "name"] && tree.get("kind").is_some() && tree.get("name").is_some() {
            self.faults.push(Diagnostic::at(tree.place.clone(), "`kind` and `name` must be a file's first two keys"));
        }
    }

    fn arch(&mut self, platform: &Node) -> Arch {
        let all = platform.get("architectures");
        let known: Vec<&str> = all.map(Node::items).unwrap_or_default().iter().filter_map(Node::as_str).collect();
        let has = |arch: Arch| known.contains(&arch.as_str());
        match self.choice.arch {
            Some(arch) if !has(arch) => {
                let name = platform.get("name").map(Node::shown).unwrap_or_default();
                let fault = Diagnostic::at(option("--arch"), format!("platform `{name}` has no {arch}"));
                self.faults.push(fault.hint(format!("it has {}", known.join(", "))));
                arch
            }
            Some(arch) => arch,
            None if has(Arch::host()) => Arch::host(),
            None if has(Arch::Aarch64) => Arch::Aarch64,
            None => Arch::X86_64,
        }
    }

    fn merged(&mut self, target: &Target, chain: Vec<Node>, platform: Node, distribution: Node) -> Trees {
        let [mut on_profile, mut on_platform, mut on_distribution] =
            [Kind::Profile, Kind::Platform, Kind::Distribution].map(|_| Vec::new());
        for text in &self.choice.set {
            match assignment(
                text,
                &[
                    ("profile", &schema::PROFILE),
                    ("platform", &schema::PLATFORM),
                    ("distribution", &schema::DISTRIBUTION),
                ],
            ) {
                Ok((0, tree)) => on_profile.push(tree),
                Ok((1, tree)) => on_platform.push(tree),
                Ok((_, tree)) => on_distribution.push(tree),
                Err(fault) => self.faults.push(fault),
            }
        }
        let mut profile = defaults(schema::DEFAULTS);
        for tree in chain {
            profile = self.layer(Kind::Profile, target, profile, tree);
        }
        for tree in on_profile {
            profile = self.set(Kind::Profile, profile, tree);
        }
        let mut platform = self.layer(Kind::Platform, target, defaults(schema::PLATFORM_DEFAULTS), platform);
        for (key, value) in profile.entries().iter().filter(|(key, _)| PLATFORM_KEYS.contains(&key.name.as_str())) {
            let child = Node::new(Value::Map(vec![(key.clone(), value.clone())]), value.place.clone());
            platform = merge(&schema::PLATFORM, platform, &child);
        }
        for tree in on_platform {
            platform = self.set(Kind::Platform, platform, tree);
        }
        let mut distribution = self.layer(Kind::Distribution, target, Node::empty(Place::default()), distribution);
        for tree in on_distribution {
            distribution = self.set(Kind::Distribution, distribution, tree);
        }
        read::substitute(&mut distribution, &mut self.faults);
        Trees { profile, platform, distribution }
    }

    fn layer(&mut self, kind: Kind, target: &Target, below: Node, tree: Node) -> Node {
        let place = tree.place.clone();
        let tree = target.select(tree, kind != Kind::Profile).unwrap_or_else(|| Node::empty(place));
        guard(&below, &tree, &mut self.faults);
        let mut merged = merge(shape(kind), below, &tree);
        merged.place = tree.place;
        merged
    }

    fn set(&mut self, kind: Kind, below: Node, tree: Node) -> Node {
        let mut faults = Vec::new();
        Checker { arch_maps: false, faults: &mut faults }.check(shape(kind), &tree, "");
        guard(&below, &tree, &mut faults);
        if kind == Kind::Distribution
            && let (Some(known), Some(given)) = (below.get("variables"), tree.get("variables"))
        {
            for (key, _) in given.entries().iter().filter(|(key, _)| known.get(&key.name).is_none()) {
                faults.push(unknown_variable(key, known));
            }
        }
        self.faults.extend(faults);
        merge(shape(kind), below, &tree)
    }
}

/// Whether a text can be part of a result's name.
pub(super) fn is_name(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '~');
    (1..=64).contains(&text.len()) && text.chars().all(sound) && !text.starts_with(['.', '-'])
}

fn unknown_variable(key: &Key, known: &Node) -> Diagnostic {
    let names: Vec<&str> = known.entries().iter().map(|(key, _)| key.name.as_str()).collect();
    let fault = Diagnostic::at(key.place.clone(), format!("the distribution has no variable `{}`", key.name));
    fault.hint(match super::faults::nearest(&key.name, names.iter().copied()) {
        Some(near) => format!("did you mean `variables.{near}`?"),
        None => format!("it has {}", names.join(", ")),
    })
}

/// Texts of ours, read as the lowest layer: their places have no file.
fn defaults(text: &str) -> Node {
    let mut tree = parse(text, std::path::Path::new("")).expect("our own defaults are YAML: a test reads them");
    unplaced(&mut tree);
    tree
}

fn unplaced(node: &mut Node) {
    node.place = Place::default();
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(unplaced),
        Value::Map(entries) => entries.iter_mut().for_each(|(key, value)| {
            key.place = Place::default();
            unplaced(value);
        }),
        Value::Scalar(..) => {}
    }
}

/// Keys that lie beside the distribution's file.
fn key_blocks(distribution: &Node) -> Vec<Vec<u8>> {
    let keys = distribution.get("keys").map(Node::items).unwrap_or_default();
    let read = |key: &Node| {
        let fetch = key.get("fetch")?;
        fs_err::read(find::beside(&fetch.place, fetch.as_str()?)).ok()
    };
    keys.iter().filter_map(read).collect()
}
