//! Which objects were verified, and what they looked like then.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};

use super::{Digest, Kind};

/// Version of the table; another one starts anew.
const FORMAT: i64 = 1;
/// How long one build waits for another that writes.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A table in sqlite, which lets several builds write at once.
#[derive(Debug)]
pub(super) struct Index {
    table: Connection,
    /// Objects are not synced one by one; what was written in another boot is hashed again.
    boot: String,
}

/// What an object looked like when it was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) mtime: i64,
    pub(super) inode: u64,
}

impl Index {
    /// Opens the index; one that is damaged or of another version is begun anew, since all it holds can be found out
    /// again.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Self> {
        Self::try_open(path).or_else(|error| {
            let busy = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
            if busy || fs_err::remove_file(path).is_err() {
                return Err(error);
            }
            for beside in ["-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(beside);
                let _ = fs_err::remove_file(name);
            }
            Self::try_open(path)
        })
    }

    fn try_open(path: &Path) -> rusqlite::Result<Self> {
        let table = Connection::open(path)?;
        table.busy_timeout(PATIENCE)?;
        table.pragma_update(None, "journal_mode", "WAL")?;
        table.pragma_update(None, "synchronous", "OFF")?;
        let version: i64 = table.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if version != FORMAT {
            table.execute_batch(&format!(
                "BEGIN IMMEDIATE; DROP TABLE IF EXISTS objects; CREATE TABLE objects (digest TEXT PRIMARY KEY, kind \
                 TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, inode INTEGER NOT NULL, boot TEXT NOT \
                 NULL) WITHOUT ROWID; PRAGMA user_version = {FORMAT}; COMMIT;"
            ))?;
        }
        let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned();
        Ok(Self { table, boot })
    }

    /// Whether an object that looks like this was verified since the machine started.
    pub(super) fn knows(&self, digest: Digest, seen: Seen) -> rusqlite::Result<bool> {
        let mut find = self.table.prepare_cached(
            "SELECT 1 FROM objects WHERE digest = ? AND size = ? AND mtime = ? AND inode = ? AND boot = ?",
        )?;
        let row = params![digest.to_string(), seen.size as i64, seen.mtime, seen.inode as i64, self.boot];
        Ok(find.query_row(row, |_| Ok(())).optional()?.is_some())
    }

    /// Remembers an object that was just verified; the kind of one that is known stays.
    pub(super) fn remember(&self, digest: Digest, kind: Kind, seen: Seen) -> rusqlite::Result<()> {
        let mut insert = self.table.prepare_cached(
            "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO UPDATE SET size = excluded.size, \
             mtime = excluded.mtime, inode = excluded.inode, boot = excluded.boot",
        )?;
        let (size, inode) = (seen.size as i64, seen.inode as i64);
        insert.execute(params![digest.to_string(), kind.as_str(), size, seen.mtime, inode, self.boot])?;
        Ok(())
    }

    /// Forgets an object.
    pub(super) fn forget(&self, digest: Digest) -> rusqlite::Result<()> {
        self.table.prepare_cached("DELETE FROM objects WHERE digest = ?")?.execute([digest.to_string()])?;
        Ok(())
    }

    /// What kind of object it is, if the index knows.
    pub(super) fn kind(&self, digest: Digest) -> rusqlite::Result<Option<Kind>> {
        let mut find = self.table.prepare_cached("SELECT kind FROM objects WHERE digest = ?")?;
        let kind: Option<String> = find.query_row([digest.to_string()], |row| row.get(0)).optional()?;
        Ok(kind.and_then(|kind| Kind::from_name(&kind)))
    }
}
