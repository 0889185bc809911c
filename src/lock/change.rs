//! How two locks differ.

use std::{collections::BTreeMap, fmt};

use super::{Asked, Image, Package, Section};

/// One difference, shown as a line for a reviewer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Asked for now.
    Asked(String),
    /// No longer asked for.
    Unasked(String),
    /// Forbidden now.
    Forbidden(String),
    /// No longer forbidden.
    Unforbidden(String),
    /// Whether recommended packages come along.
    Recommends(bool),
    /// Other languages.
    Languages(Vec<String>),
    /// A package comes.
    Added(String, String),
    /// A package goes.
    Removed(String, String),
    /// Another version, or the same one from elsewhere or with another content.
    Changed {
        /// The package.
        name: String,
        /// What it was.
        from: String,
        /// What it is.
        to: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Asked(what) => write!(f, "`{what}` is asked for now"),
            Self::Unasked(what) => write!(f, "`{what}` is no longer asked for"),
            Self::Forbidden(what) => write!(f, "`{what}` is forbidden now"),
            Self::Unforbidden(what) => write!(f, "`{what}` is no longer forbidden"),
            Self::Recommends(true) => f.write_str("recommended packages come along now"),
            Self::Recommends(false) => f.write_str("recommended packages no longer come along"),
            Self::Languages(languages) => write!(f, "the languages are now `{}`", languages.join(", ")),
            Self::Added(name, version) => write!(f, "+ {name} {version}"),
            Self::Removed(name, version) => write!(f, "- {name} {version}"),
            Self::Changed { name, from, to } => write!(f, "~ {name} {from} → {to}"),
        }
    }
}

impl Asked {
    /// From this to another.
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.recommends != now.recommends {
            changes.push(Change::Recommends(now.recommends));
        }
        let mut compare = |was: &[String], is: &[String], more: fn(String) -> Change, less: fn(String) -> Change| {
            changes.extend(is.iter().filter(|what| !was.contains(what)).cloned().map(more));
            changes.extend(was.iter().filter(|what| !is.contains(what)).cloned().map(less));
        };
        compare(&self.install, &now.install, Change::Asked, Change::Unasked);
        compare(&self.forbid, &now.forbid, Change::Forbidden, Change::Unforbidden);
        if self.languages != now.languages {
            changes.push(Change::Languages(now.languages.clone()));
        }
        changes
    }
}

impl Section {
    /// From this to another: what was asked and which packages, sorted by name; repositories may have moved on.
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let mut changes = self.asked.changes(&now.asked);
        let (was, is) = (by_name(&self.packages), by_name(&now.packages));
        let mut names: Vec<_> = was.keys().chain(is.keys()).collect();
        names.sort();
        names.dedup();
        for key in names {
            let name = key.0.to_owned();
            match (was.get(key), is.get(key)) {
                (Some(was), Some(is)) if was.sha256 != is.sha256 => {
                    let (from, to) = versions(was, is);
                    changes.push(Change::Changed { name, from, to });
                }
                (None, Some(is)) => changes.push(Change::Added(name, is.evr.clone())),
                (Some(was), None) => changes.push(Change::Removed(name, was.evr.clone())),
                _ => {}
            }
        }
        changes.extend(images(&self.images, &now.images));
        changes
    }
}

/// Container images by what the profile writes.
fn images(was: &[Image], is: &[Image]) -> Vec<Change> {
    let of = |all: &[Image], image: &Image| all.iter().find(|it| it.reference == image.reference).cloned();
    let (mut changes, short) = (Vec::new(), |image: &Image| image.digest.chars().take(19).collect::<String>());
    for image in is {
        let name = image.reference.clone();
        match of(was, image) {
            None => changes.push(Change::Added(name, short(image))),
            Some(old) if old.digest != image.digest => {
                changes.push(Change::Changed { name, from: short(&old), to: short(image) });
            }
            Some(_) => {}
        }
    }
    let gone = was.iter().filter(|image| of(is, image).is_none());
    changes.extend(gone.map(|image| Change::Removed(image.reference.clone(), short(image))));
    changes
}

/// Several versions of one name (kernels) are told apart by their order.
fn by_name(packages: &[Package]) -> BTreeMap<(&str, &str, usize), &Package> {
    let mut found = BTreeMap::new();
    for package in packages {
        let mut nth = 0;
        while found.contains_key(&(package.name.as_str(), package.arch.as_str(), nth)) {
            nth += 1;
        }
        found.insert((package.name.as_str(), package.arch.as_str(), nth), package);
    }
    found
}

/// Versions where they differ, else repositories, else the beginnings of the digests.
fn versions(was: &Package, is: &Package) -> (String, String) {
    if was.evr != is.evr {
        return (was.evr.clone(), is.evr.clone());
    }
    let shown = |package: &Package| {
        format!("{} from {} ({})", package.evr, package.repository, &package.sha256.to_string()[..12])
    };
    (shown(was), shown(is))
}
