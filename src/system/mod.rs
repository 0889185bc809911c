//! 5b. What makes the installed packages the system that was asked for.
//!
//! ```text
//! scan ─→ configure: changes ─→ apply on disk ─→ programs of the root: presets, GRUB, initrds
//!                                                   └→ scan, normalise ─→ last: changes ─→ Contents
//! ```
//!
//! Each file is one concern, a function from the plan and the tree to [`Change`]s. What programs of the root must see
//! is written to disk before they run; what they must not see (`/etc/fstab`) or cannot make is changed in the tree.

mod accounts;
mod apply;
mod boot;
mod change;
mod containers;
mod error;
mod files;
mod first_boot;
mod fstab;
mod identity;
mod initrd;
mod kubernetes;
mod logging;
mod machine;
mod network;
mod preload;
mod programs;
mod repositories;
mod selinux;
mod services;
mod snapper;
mod ssh;
mod toml;
mod update;

use std::{collections::BTreeMap, path::Path};

pub use change::Change;
pub use error::Error;
pub use initrd::Initrd;
pub use kubernetes::configuration as kubeadm_configuration;

use crate::{
    disk::Contents,
    plan::Plan,
    profile::ScriptTime,
    report::Report,
    root::{self, Assembled, Runner},
    rpm::evr,
    tree::{Content, Kind, Node, RelPath, Time, Tree},
};
use change::apply_to_tree;

/// Doors for the fuzz targets to what only this module reads.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    pub use super::preload::paths_of_layer as layer;
}

/// A finished system.
#[derive(Debug)]
pub struct System {
    /// What the disk is made of.
    pub contents: Contents,
    /// The version in the results' names.
    pub version: String,
    /// The initrds that are in it.
    pub initrds: Vec<Initrd>,
}

/// Folders that the stage works in.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    /// The root.
    pub root: &'a Path,
    /// The user's files by SHA-256.
    pub inputs: &'a Path,
    /// Initrds of earlier builds, by [`Initrd::name`].
    pub initrds: &'a Path,
    /// Blobs of container images by SHA-256.
    pub images: &'a Path,
    /// For files of the tree that lie nowhere else.
    pub spool: &'a Path,
}

/// Values of secrets that the plan names.
pub type Secrets = BTreeMap<String, String>;

/// Makes what was installed the system of the plan. Runs inside the sandbox's namespace, after [`root::assemble`].
///
/// # Errors
/// A program of the root fails, something that the plan needs is not in the root, or the system refuses something.
pub fn finish(
    plan: &Plan,
    secrets: &Secrets,
    folders: Folders<'_>,
    assembled: &Assembled,
    runner: &mut dyn Runner,
    report: &Report,
) -> Result<System, Error> {
    let Folders { root, inputs, initrds, images, spool } = folders;
    let mut programs = programs::Programs { plan, inputs, runner, report };
    programs.scripts(ScriptTime::Packages)?;
    report.stage("configure");
    let tree = scan(root)?;
    let changes = configure(plan, secrets, inputs, &tree)?;
    apply::apply(&changes, root)?;
    programs.presets()?;
    programs.scripts(ScriptTime::Last)?;
    report.stage("initrd");
    let bios = programs.bios_core(&tree)?;
    let mut tree = finished(root, plan, assembled)?;
    let mut initrds = wanted(&tree, initrds)?;
    programs.initrds(&initrds)?;
    if initrds.iter().any(|initrd| !initrd.found) {
        tree = finished(root, plan, assembled)?;
    }
    initrd::place(&mut tree, plan, &mut initrds)?;
    let changes = last(plan, &tree);
    apply_to_tree(&mut tree, changes, time(plan));
    preload::place(&mut tree, plan, images, spool)?;
    let bios = bios.map(|core| boot::grub::bios(&tree, plan, &core)).transpose()?;
    let labels = selinux::contexts(plan, &tree)?;
    let contents = Contents { esp: boot::esp(plan, &tree)?, bios, labels, tree };
    let version = identity::version(plan, &contents.tree);
    Ok(System { contents, version, initrds })
}

/// The root without what differs between two runs.
fn finished(root: &Path, plan: &Plan, assembled: &Assembled) -> Result<Tree, Error> {
    let mut tree = scan(root)?;
    root::normalise(&mut tree, plan.epoch);
    assembled.restore_devices(&mut tree);
    Ok(tree)
}

/// One initrd for each kernel of the tree, with what was found of them.
fn wanted(tree: &Tree, found: &Path) -> Result<Vec<Initrd>, Error> {
    let versions = kernels(tree);
    if versions.is_empty() {
        return Err(Error::Missing { what: "kernel".into(), hint: "add role `kernel` to the profile's `packages`" });
    }
    initrd::look(found, tree, versions).map_err(|source| Error::Io { what: "look for a finished initrd", source })
}

fn scan(root: &Path) -> Result<Tree, Error> {
    root::scan(root).map_err(|source| Error::Io { what: "read the root", source })
}

/// What programs of the root are to see.
fn configure(plan: &Plan, secrets: &Secrets, inputs: &Path, tree: &Tree) -> Result<Vec<Change>, Error> {
    let concerns = [
        identity::changes,
        machine::changes,
        snapper::changes,
        ssh::changes,
        services::changes,
        preload::changes,
        kubernetes::changes,
        logging::changes,
        update::changes,
        selinux::changes,
        initrd::changes,
        boot::configure,
    ];
    let mut changes: Vec<Change> = concerns.iter().flat_map(|concern| concern(plan, tree)).collect();
    changes.extend(network::changes(plan, secrets, tree));
    changes.extend(repositories::changes(plan, secrets, tree));
    changes.extend(containers::changes(plan, secrets, tree)?);
    changes.extend(accounts::changes(plan, secrets, tree)?);
    changes.extend(files::changes(plan, inputs, tree)?);
    Ok(changes)
}

/// What comes after the last program.
fn last(plan: &Plan, tree: &Tree) -> Vec<Change> {
    [fstab::changes, first_boot::changes, boot::grub::changes, selinux::last]
        .iter()
        .flat_map(|concern| concern(plan, tree))
        .collect()
}

/// The time of everything that this module makes.
fn time(plan: &Plan) -> Time {
    Time { seconds: plan.epoch.0, nanos: 0 }
}

/// A text file of root's.
fn put_text(plan: &Plan, path: &str, mode: u32, text: &str) -> Change {
    Change::Put(at(path), Node::file(text.into(), mode, time(plan)))
}

/// A symbolic link of root's.
fn put_link(plan: &Plan, path: &str, target: &str) -> Change {
    Change::Put(at(path), Node::symlink(target, time(plan)))
}

/// A folder of root's, unless there is one.
fn put_folder(plan: &Plan, tree: &Tree, path: &str, mode: u32) -> Option<Change> {
    let is_there = tree.at(path).is_some_and(|node| node.kind == Kind::Directory);
    (!is_there).then(|| Change::Put(at(path), Node::directory(mode, time(plan))))
}

/// A path that the code itself names, or that the profile was checked to hold.
fn at(path: &str) -> RelPath {
    RelPath::new(path).unwrap_or_default()
}

/// A path of the distribution's by use, or the usual one.
fn path_of<'a>(plan: &'a Plan, usage: &str, usual: &'a str) -> &'a str {
    plan.paths.get(usage).map_or(usual, String::as_str)
}

/// The content of a regular file, links on the way followed within the tree.
fn content<'tree>(tree: &'tree Tree, path: &str) -> Option<&'tree Content> {
    let mut path = RelPath::new(path).ok()?;
    for _ in 0..8 {
        match &tree.get(&path)?.kind {
            Kind::File { content, .. } => return Some(content),
            Kind::Symlink { target } if target.starts_with(b"/") => path = RelPath::new(target).ok()?,
            Kind::Symlink { target } => path = climb(&path.parent()?, target)?,
            _ => return None,
        }
    }
    None
}

/// `target` from `folder`, with `..` that stay in the root.
fn climb(folder: &RelPath, target: &[u8]) -> Option<RelPath> {
    let mut path = folder.clone();
    for part in target.split(|&byte| byte == b'/') {
        path = match part {
            b".." => path.parent().unwrap_or_default(),
            part => path.join(part).ok()?,
        };
    }
    Some(path)
}

/// The files of tmpfiles.d(5) that packages brought.
pub fn tmpfiles(tree: &Tree) -> Vec<String> {
    let folder = at("usr/lib/tmpfiles.d");
    tree.children(&folder).filter_map(|(path, _)| text(tree, &path.to_string())).collect()
}

/// The text of a regular file.
fn text(tree: &Tree, path: &str) -> Option<String> {
    Some(String::from_utf8_lossy(&content(tree, path)?.read().ok()?).into_owned())
}

/// Versions of the kernels in the tree, the newest last.
fn kernels(tree: &Tree) -> Vec<String> {
    let folder = at("usr/lib/modules");
    let names =
        tree.children(&folder).filter(|(path, _)| path.join("modules.dep").is_ok_and(|it| tree.get(&it).is_some()));
    let mut all: Vec<String> = names.map(|(path, _)| String::from_utf8_lossy(path.file_name()).into_owned()).collect();
    all.sort_by(|left, right| evr::compare(left, right));
    all
}
