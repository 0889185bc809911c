//! The package database: in the snapshot, whole, and readable without writing.

use std::io;

use crate::{rpmdb::ndb, tree::RelPath, verify::facts::Facts};

/// Where openSUSE and Fedora keep it; the only place that an update and a rollback carry.
const FOLDER: &str = "/usr/lib/sysimage/rpm";

/// Offsets of the file format's write and read version in an SQLite header: 1 is rollback journal, 2 is WAL.
///
/// SQLite, "Database File Format", section 1.3.
const SQLITE_VERSIONS: std::ops::Range<usize> = 18..20;

pub(super) fn rpmdb(facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    let databases = ["rpmdb.sqlite", ndb::FILE_NAME].map(|name| format!("{FOLDER}/{name}"));
    let found: Vec<&String> = databases.iter().filter(|path| facts.exists(path)).collect();
    for path in &found {
        if let Some((subvolume, _)) = facts.locate(path).filter(|(subvolume, _)| !subvolume.default) {
            faults.push(format!("`{path}` lies in `{}`, not in the snapshot", subvolume.path));
        }
    }
    match found[..] {
        [] => faults.push(format!("there is no package database in `{FOLDER}`")),
        [path] if *path == databases[0] => faults.extend(sqlite_header(read(facts, path))),
        [_] => faults.extend(ndb_files(facts)),
        _ => faults.push(format!("there are two package databases in `{FOLDER}`")),
    }
    let left = ["rpmdb.sqlite-wal", "rpmdb.sqlite-shm", ".rpm.lock"];
    for name in left.iter().filter(|name| facts.exists(&format!("{FOLDER}/{name}"))) {
        faults.push(format!("`{FOLDER}/{name}` was left behind"));
    }
    if stray_database(facts) {
        faults.push("`/var/lib/rpm` is a folder of its own and would hide the snapshot's database".into());
    }
    faults
}

fn read(facts: &Facts, path: &str) -> io::Result<Vec<u8>> {
    let (subvolume, path) = facts.locate(path).ok_or(io::ErrorKind::NotFound)?;
    (subvolume.read)(&path)
}

/// The indexes must be those of the headers: rpm could not make others.
fn ndb_files(facts: &Facts) -> Option<String> {
    let read = |name: &str| read(facts, &format!("{FOLDER}/{name}"));
    let files = read(ndb::FILE_NAME).and_then(|packages| Ok((packages, read(ndb::INDEX_NAME)?)));
    let checked = files.and_then(|(packages, index)| ndb::check_files(&packages, &index));
    checked.err().map(|error| format!("the package database cannot be used without writing: {error}"))
}

fn sqlite_header(bytes: io::Result<Vec<u8>>) -> Option<String> {
    match bytes {
        Ok(bytes) if bytes.get(SQLITE_VERSIONS) == Some(&[1, 1]) => None,
        Ok(_) => Some("the package database is not in rollback-journal mode".into()),
        Err(error) => Some(format!("the package database cannot be read: {error}")),
    }
}

fn stray_database(facts: &Facts) -> bool {
    let Some((subvolume, path)) = facts.locate("/var/lib/rpm") else {
        return false;
    };
    let databases = ["rpmdb.sqlite", "Packages.db", "Packages"];
    databases.iter().filter_map(|name| path.join(name).ok()).any(|path: RelPath| subvolume.tree.get(&path).is_some())
}
