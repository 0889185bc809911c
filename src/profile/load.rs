//! Files in, one checked profile out.

use std::env;

use super::{
    Arch, Choice, Distribution, Faults, Loaded, Origins, Place, Source,
    faults::option,
    find::{self, Kind},
    merge::{Target, assignment, guard, merge, twice},
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
    let mut reader = Reader::new(&trees, &target, choice);
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

/// The distribution that is asked for, as it is for machines of another architecture.
pub fn distribution_for(choice: &Choice, arch: Arch) -> Option<Distribution> {
    let choice = &Choice { arch: Some(arch), ..choice.clone() };
    let mut loader = Loader { choice, faults: Vec::new(), files: Vec::new() };
    let (target, trees) = loader.trees()?;
    Some(Reader::new(&trees, &target, choice).distribution())
}

/// The merged trees.
pub(super) struct Trees {
    pub(super) profile: Node,
    pub(super) platform: Node,
    pub(super) distribution: Node,
}

/// What is read on the way, and what is wrong with it.
pub(super) struct Loader<'a> {
    pub(super) choice: &'a Choice,
    pub(super) faults: Vec<Diagnostic>,
    pub(super) files: Vec<Source>,
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
        twice(shape(kind), &tree, "", &mut self.faults);
        let mut merged = merge(shape(kind), below, &tree);
        merged.place = tree.place;
        merged
    }

    fn set(&mut self, kind: Kind, below: Node, tree: Node) -> Node {
        let mut faults = Vec::new();
        Checker { arch_maps: false, faults: &mut faults }.check(shape(kind), &tree, "");
        guard(&below, &tree, &mut faults);
        twice(shape(kind), &tree, "", &mut faults);
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
