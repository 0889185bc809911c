//! Merged trees in, a [`Profile`] out; what does not fit together becomes faults, all of them at once.

mod container;
mod distribution;
mod files;
mod first_boot;
mod kubernetes;
mod layout;
mod logging;
mod machine;
mod network;
mod packages;
mod preload;
mod registries;
mod update;
mod users;

pub(super) use distribution::substitute;

use std::collections::BTreeMap;

use super::{Choice, Place, Profile, load::Trees, merge::Target, node::Node};
use crate::report::Diagnostic;

/// Settings that are carried for other commands.
const KEPT: &[&str] = &["image.name", "image.identity", "kubernetes.node"];

/// Reads the three trees; holds what is found on the way.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    /// The merged profile.
    pub(super) profile: &'a Node,
    /// The platform, with the profile's changes.
    pub(super) platform: &'a Node,
    /// The distribution.
    pub(super) distribution: &'a Node,
    /// For which machine.
    pub(super) target: &'a Target,
    /// The command line.
    pub(super) choice: &'a Choice,
    /// What is wrong.
    pub(super) faults: Vec<Diagnostic>,
    /// What may be wrong.
    pub(super) warnings: Vec<String>,
    /// What is worth a line in the summary.
    pub(super) notes: Vec<String>,
    /// Roles that others stand in for.
    pub(super) replaced: BTreeMap<String, Vec<String>>,
}

impl<'a> Reader<'a> {
    /// Of these trees.
    pub(super) fn new(trees: &'a Trees, target: &'a Target, choice: &'a Choice) -> Self {
        let Trees { profile, platform, distribution } = trees;
        let (faults, warnings, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { profile, platform, distribution, target, choice, faults, warnings, notes, replaced: BTreeMap::new() }
    }
}

impl Reader<'_> {
    /// Everything.
    pub(super) fn read(&mut self) -> Profile {
        let profile = self.profile;
        let text = |key: &str| string(profile, key).unwrap_or_default();
        let packages = self.packages();
        let machine = self.machine();
        Profile {
            name: text("name"),
            summary: text("summary"),
            platform: self.target.platform.clone(),
            distribution: self.distribution(),
            arch: self.target.arch,
            version: self.version(),
            packages,
            layout: self.layout(),
            boot: self.boot(),
            overlays: self.overlays(),
            files: self.files(),
            scripts: self.scripts(),
            checks: self.checks(),
            formats: self.formats(),
            emulate: self.emulate(),
            preload: self.preload(&machine.container.runtimes),
            control_plane: self.control_plane(),
            machine,
            carried: self.carried(),
            notes: std::mem::take(&mut self.notes),
        }
    }

    fn version(&mut self) -> Option<String> {
        let node = self.profile.get("version")?;
        let version = node.as_str().filter(|version| *version != "auto")?;
        if !super::open::is_name(version) {
            let message = format!("`version`: `{}` cannot be part of a file's name", version.escape_debug());
            self.fault(
                &node.place,
                message,
                "letters, digits, `.`, `_`, `-`, `+` and `~`; `auto` takes the system's or the date",
            );
        }
        Some(version.into())
    }

    fn carried(&self) -> BTreeMap<String, serde_json::Value> {
        let carried = KEPT.iter().filter_map(|key| Some(((*key).to_owned(), self.profile.at(key)?)));
        carried.map(|(key, node)| (key, node.to_json())).collect()
    }

    fn fault(&mut self, place: &Place, message: impl Into<String>, hint: &str) {
        let fault = Diagnostic::at(place.clone(), message);
        self.faults.push(if hint.is_empty() { fault } else { fault.hint(hint) });
    }

    /// A warning; with `--strict` a fault.
    fn doubt(&mut self, place: &Place, message: String, hint: &str) {
        if self.choice.strict {
            return self.fault(place, message, hint);
        }
        let hint = if hint.is_empty() { String::new() } else { format!(": {hint}") };
        self.warnings.push(format!("{message} ({place}){hint}"));
    }
}

/// A scalar's text.
fn string(node: &Node, key: &str) -> Option<String> {
    node.at(key)?.as_str().map(str::to_owned)
}

/// A list's texts.
fn strings(node: &Node, key: &str) -> Vec<String> {
    let items = node.at(key).map(Node::items).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A boolean.
fn flag(node: &Node, key: &str) -> Option<bool> {
    node.at(key)?.as_str()?.parse().ok()
}

/// A word that serde knows as an enum's value.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(text.into())).ok()
}
