//! What of an image's packages lies outside of its snapshot, as its package database says.

use std::collections::BTreeSet;

use super::Facts;
use crate::{
    rpm::{Header, files, scriptlets},
    rpmdb::{self, Backend, Database},
    strays::{self, Stray},
    tree::RelPath,
};

/// Where the database is ([`super::RULES`], `rpmdb`).
const FOLDER: &str = "/usr/lib/sysimage/rpm";

/// What no update carries and no rollback restores, a sentence for each package.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Packages with files there.
    pub files: Vec<String>,
    /// Packages with scriptlets that work there.
    pub scriptlets: Vec<String>,
}

/// Reads the image's package database.
///
/// # Errors
/// There is none that can be read.
pub fn outside(facts: &Facts) -> rpmdb::Result<Outside> {
    let nested = facts.subvolumes.iter().filter_map(|subvolume| facts.mounted(subvolume));
    let shared: BTreeSet<String> = nested.filter(|at| !at.is_root()).map(|at| at.to_string()).collect();
    // Each snapshot has its own of the first; the second holds them.
    let own = ["/etc", "/.snapshots"];
    let shared = strays::shared(shared.iter().map(String::as_str).filter(|path| !own.contains(path)));
    let mut outside = Outside::default();
    let mut found = Vec::new();
    for header in headers(facts)? {
        let evr = header.evr();
        let (name, arch) = (header.name().unwrap_or_default(), header.arch().unwrap_or_default());
        let package = format!("{name}-{}-{}.{arch}", evr.version, evr.release);
        // What the image leaves out (documentation, ghosts) is not there.
        let files = files::files(&header).unwrap_or_default();
        let there = files.iter().filter(|file| facts.exists(&file.path.to_string()));
        found.extend(Stray::of(&package, there, &shared));
        outside.scriptlets.extend(strays::scriptlets(&package, &scriptlets::scriptlets(&header), &shared));
    }
    outside.files = strays::sentences(&made_at_start(facts), &found);
    Ok(outside)
}

fn headers(facts: &Facts) -> rpmdb::Result<Vec<Header>> {
    let folder = tempfile::tempdir()?;
    let mut backend = Backend::Ndb;
    for name in ["rpmdb.sqlite", "Packages.db", "Index.db"] {
        let place = facts.locate(&format!("{FOLDER}/{name}"));
        let Some((subvolume, path)) = place.filter(|(subvolume, path)| subvolume.tree.get(path).is_some()) else {
            continue;
        };
        if name == "rpmdb.sqlite" {
            backend = Backend::Sqlite;
        }
        fs_err::write(folder.path().join(name), (subvolume.read)(&path)?)?;
    }
    Ok(Database::open(backend, folder.path())?.headers()?.into_iter().map(|(_, header)| header).collect())
}

fn made_at_start(facts: &Facts) -> BTreeSet<RelPath> {
    let Some(root) = facts.root() else { return BTreeSet::new() };
    let Ok(folder) = RelPath::new("usr/lib/tmpfiles.d") else { return BTreeSet::new() };
    let texts = root.tree.children(&folder).filter_map(|(path, _)| facts.text(&path.to_string()));
    strays::made_at_start(texts)
}
