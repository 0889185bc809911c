//! Names become trees: a profile with all that it extends, its platform, its distribution.

use std::collections::BTreeSet;

use super::{
    Arch, Place, Source,
    faults::option,
    find::{self, Found, Kind},
    load::{Loader, shape},
    node::{Node, Value, parse},
    shape::Checker,
};
use crate::report::Diagnostic;

impl Loader<'_> {
    /// A profile and all that it extends, parents first, each once.
    pub(super) fn chain(&mut self, name: &str, from: &Place) -> Vec<Node> {
        let mut chain = Vec::new();
        self.extend(name, from, &mut Vec::new(), &mut BTreeSet::new(), &mut chain);
        chain
    }

    pub(super) fn extend(
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
    pub(super) fn named(
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

    pub(super) fn parsed(&mut self, kind: Kind, found: Found) -> Option<Node> {
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
    pub(super) fn head(&mut self, kind: Kind, tree: &Node, found: &Found) {
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

    pub(super) fn arch(&mut self, platform: &Node) -> Arch {
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
}

/// Whether a text can be part of a result's name.
pub(super) fn is_name(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '~');
    (1..=64).contains(&text.len()) && text.chars().all(sound) && !text.starts_with(['.', '-'])
}
