//! The package database: in the snapshot, whole, and readable without writing.

use crate::{tree::RelPath, verify::facts::Facts};

/// Where openSUSE and Fedora keep it; the only place that an update and a rollback carry.
const FOLDER: &str = "/usr/lib/sysimage/rpm";

/// Offsets of the file format's write and read version in an SQLite header: 1 is rollback journal, 2 is WAL.
///
/// SQLite, "Database File Format", section 1.3.
const SQLITE_VERSIONS: std::ops::Range<usize> = 18..20;

pub(super) fn rpmdb(facts: &Facts) -> Vec<String> {
    let sqlite = format!("{FOLDER}/rpmdb.sqlite");
    let mut faults = Vec::new();
    match facts.locate(&sqlite).filter(|(subvolume, path)| subvolume.tree.get(path).is_some()) {
        Some((subvolume, path)) => {
            if !subvolume.default {
                faults.push(format!("`{sqlite}` lies in `{}`, not in the snapshot", subvolume.path));
            }
            faults.extend(sqlite_header((subvolume.read)(&path)));
        }
        None if facts.exists(&format!("{FOLDER}/Packages.db")) => {}
        None => faults.push(format!("there is no package database in `{FOLDER}`")),
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

fn sqlite_header(bytes: std::io::Result<Vec<u8>>) -> Option<String> {
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
