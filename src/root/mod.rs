//! The root tree: packages become files, accounts and an rpm database in an empty folder, with the result that
//! `rpm --root R -U` of the same set gives.
//!
//! ```text
//! package files ─→ order ─→ %pretrans ─→ fate of every file ─→ stage (all cores, ahead)
//!                                                           └→ commit, scriptlets, triggers (one at a time, rpm's order)
//!                                                              └→ scan ─→ normalise ─→ Tree
//! ```
//!
//! [`assemble`] and [`scan()`] run where uid 0 may own files as anyone: inside the sandbox's namespace, or as root in
//! tests. Programs inside the root are run by whoever implements [`Runner`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use rayon::prelude::*;

use crate::{
    plan::Install,
    report::Report,
    rpm::signature::Keyring,
    strays::Stray,
    tree::{Node, RelPath, Tree},
    units::Epoch,
};

pub mod accounts;
pub mod capability;
mod commit;
mod error;
pub mod fate;
mod folders;
pub mod lua;
mod macros;
pub mod normalise;
pub mod order;
pub mod package;
pub mod place;
pub mod relations;
pub mod scan;
pub mod scriptlet;
mod stage;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod trigger;

pub use error::Error;
pub use normalise::normalise;
pub use order::Relation;
pub use package::Package;
pub use relations::relations;
pub use scan::scan;
pub use scriptlet::{End, Job, Outcome, Program, Runner};

use transaction::Transaction;

/// How packages are installed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Selection, environment and failures, from the plan.
    pub install: Install,
    /// The time of everything that has no other.
    pub epoch: Epoch,
    /// Keys that the root's own rpm trusts: they are in its database, as `rpm --import` puts them there.
    pub keys: Keyring,
    /// Leaves all scriptlets and triggers out: for comparisons and measurements, never for an image.
    pub no_scriptlets: bool,
    /// Places that all snapshots share.
    pub shared: Vec<RelPath>,
}

/// What was installed.
#[derive(Clone, Debug, Default)]
pub struct Assembled {
    /// Packages in the order of their installation.
    pub installed: Vec<Installed>,
    /// Scriptlets that failed without ending the build.
    pub failures: Vec<Failure>,
    /// Device nodes of packages, for which empty files stand in the root.
    pub devices: BTreeMap<RelPath, Node>,
    /// Files whose owner or group the root does not know; they belong to root.
    pub unknown_owners: u64,
    /// Files placed, folders among them.
    pub files: u64,
    /// Files of packages in [`Settings::shared`].
    pub strays: Vec<Stray>,
}

impl Assembled {
    /// Puts device nodes where they belong. One whose stand-in a scriptlet took away stays away.
    pub fn restore_devices(&self, tree: &mut Tree) {
        for (path, node) in &self.devices {
            if let Some(there) = tree.get_mut(path) {
                *there = node.clone();
            }
        }
    }
}

/// An installed package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Name.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Architecture; empty for a key.
    pub arch: String,
}

impl Installed {
    /// As `rpm -qa` lists it: `name-version-release.arch`, without the epoch.
    pub fn nvra(&self) -> String {
        let version_release = self.evr.split_once(':').map_or(self.evr.as_str(), |(_, rest)| rest);
        match self.arch.as_str() {
            "" => format!("{}-{version_release}", self.name),
            arch => format!("{}-{version_release}.{arch}", self.name),
        }
    }
}

impl From<&Package> for Installed {
    fn from(package: &Package) -> Self {
        Self { name: package.name.clone(), evr: package.evr.to_string(), arch: package.arch.clone() }
    }
}

/// A scriptlet that failed without ending the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The package's name.
    pub package: String,
    /// `%post`, …
    pub scriptlet: String,
    /// How it ended.
    pub end: End,
    /// Why it may, if the distribution or the profile says so.
    pub allowed: Option<String>,
    /// What it wrote.
    pub output: Vec<u8>,
}

/// Installs package files into an empty root. `staging` is a folder on the root's file system that this may fill.
///
/// # Errors
/// Damaged packages, file conflicts, a failing scriptlet that must not, or a system that refuses something.
pub fn assemble(
    packages: &[PathBuf],
    settings: &Settings,
    root: &Path,
    staging: &Path,
    runner: &mut dyn Runner,
    report: &Report,
) -> Result<Assembled, Error> {
    let packages = in_order(packages)?;
    let opened = place::Root::open(root).map_err(|source| Error::io("open the root's folder", source))?;
    let commit = commit::Commit::new(opened).map_err(|source| Error::io("read the root", source))?;
    let mut transaction = Transaction {
        packages: &packages,
        fates: Vec::new(),
        settings,
        runner,
        report,
        commit,
        store: store::Store::new(&packages, settings)?,
        installed: 0,
        failures: Vec::new(),
    };
    transaction.before()?;
    let selection = fate::Selection { docs: settings.install.docs, locales: settings.install.locales.clone() };
    let list: Vec<&Package> = packages.iter().collect();
    let decided = fate::decide(&list, &selection, &mut transaction.commit.root);
    let (fates, conflicts) = decided.map_err(|source| Error::io("look for file conflicts", source))?;
    if !conflicts.is_empty() {
        return Err(Error::Conflicts(conflicts));
    }
    transaction.fates = fates;
    transaction.install(staging)?;
    transaction.after()?;
    transaction.finish()
}

/// Opens packages and puts them into the order of the transaction; ties go by name, version and architecture.
fn in_order(files: &[PathBuf]) -> Result<Vec<Package>, Error> {
    let mut packages = files.par_iter().map(|file| Package::open(file)).collect::<Result<Vec<_>, _>>()?;
    packages.sort_by(|a, b| (&a.name, &a.evr, &a.arch).cmp(&(&b.name, &b.evr, &b.arch)));
    let relations = relations::relations(&packages);
    let mut taken: Vec<Option<Package>> = packages.into_iter().map(Some).collect();
    let order = order::order(taken.len(), &relations);
    Ok(order.into_iter().filter_map(|at| taken[at].take()).collect())
}
