//! The database in sqlite: one table of headers, one a searched tag.
//!
//! Layout, names and key types: rpm 6.1, `lib/backend/sqlite.cc`; unchanged since 4.16, and compared with what rpm 6.0.2
//! wrote. rpm itself leaves the file in write-ahead mode, which can't be opened on a read-only file system; a database
//! that is written here never is in it.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::{
    Connection, OpenFlags, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::{
    Error, Result, check,
    index::{self, INDEXES, Index},
    parse, set_readable,
};
use crate::rpm::Header;

/// The database's file in rpm's folder.
pub const FILE_NAME: &str = "rpmdb.sqlite";

/// It, and what else rpm may leave beside it.
pub(super) const FILES: [&str; 5] =
    [FILE_NAME, "rpmdb.sqlite-wal", "rpmdb.sqlite-shm", "rpmdb.sqlite-journal", ".rpm.lock"];

/// An open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Makes an empty database in rpm's folder, and the folder.
    ///
    /// # Errors
    /// There is one, or it can't be written.
    pub fn create(folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let path = folder.join(FILE_NAME);
        fs_err::OpenOptions::new().write(true).create_new(true).open(&path)?;
        let database = Self::connect(path)?;
        database.run("creating tables in", &tables())?;
        database.run("creating indexes in", &indexes())?;
        Ok(database)
    }

    /// Opens the database in rpm's folder, in whatever journal mode it is.
    ///
    /// # Errors
    /// There is none, or it isn't one; or it is a symbolic link, which scripts could have laid to a file of the host.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        if !fs_err::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other(format!("`{}` is not a regular file", path.display())).into());
        }
        let database = Self::connect(path)?;
        database.run("opening", "SELECT hnum FROM Packages LIMIT 1")?;
        Ok(database)
    }

    fn connect(path: PathBuf) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags).map_err(told("opening", &path))?;
        connection.set_prepared_statement_cache_capacity(2 * INDEXES.len() + 8);
        let database = Self { connection, path };
        // Nothing to lose but time: a build that is killed starts anew. rpm declares foreign keys but doesn't enforce them.
        database.run(
            "opening",
            "PRAGMA trusted_schema = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; \
             PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;",
        )?;
        Ok(database)
    }

    fn run(&self, doing: &'static str, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(told(doing, &self.path))
    }

    /// Adds a package and gives its number.
    ///
    /// # Errors
    /// A header without name, version, release or region, or a database that can't be written.
    pub fn add(&mut self, header: &Header) -> Result<u32> {
        self.transaction(|database| database.insert(header))
    }

    /// Removes a package by its number; none with that number is no error.
    ///
    /// # Errors
    /// A database that can't be written.
    pub fn remove(&mut self, number: u32) -> Result<()> {
        self.transaction(|database| {
            for table in INDEXES.iter().map(|index| index.name).chain(["Packages"]) {
                let sql = format!("DELETE FROM '{table}' WHERE hnum = ?");
                database.connection.execute(&sql, [number]).map_err(told("writing", &database.path))?;
            }
            Ok(())
        })
    }

    /// All packages with their numbers, in the order in which they came.
    ///
    /// # Errors
    /// A database that can't be read, or a broken header in it.
    pub fn headers(&self) -> Result<Vec<(u32, Header)>> {
        let error = told("reading", &self.path);
        let read = || -> rusqlite::Result<Vec<(u32, Vec<u8>)>> {
            let mut statement = self.connection.prepare("SELECT hnum, blob FROM Packages ORDER BY hnum")?;
            statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        };
        read().map_err(error)?.into_iter().map(|(number, blob)| parse(&self.path, number, blob)).collect()
    }

    /// Ends the work on it, with everything in the file.
    ///
    /// # Errors
    /// A database that can't be written.
    pub fn close(self) -> Result<()> {
        let Self { connection, path } = self;
        connection.close().map_err(|(_, source)| told("closing", &path)(source))
    }

    fn transaction<T>(&mut self, work: impl FnOnce(&Self) -> Result<T>) -> Result<T> {
        self.run("writing", "BEGIN IMMEDIATE")?;
        match work(self).and_then(|done| self.run("writing", "COMMIT").map(|()| done)) {
            Ok(done) => Ok(done),
            Err(error) => {
                // The error is what matters; if this fails too, closing rolls back.
                let _ = self.connection.execute_batch("ROLLBACK");
                Err(error)
            }
        }
    }

    fn insert(&self, header: &Header) -> Result<u32> {
        check(header)?;
        let insert = || -> rusqlite::Result<u32> {
            self.connection.prepare_cached("INSERT INTO Packages VALUES (NULL, ?)")?.execute([header.blob()])?;
            let number = self.connection.last_insert_rowid();
            for index in INDEXES {
                let rows = index::rows(header, index);
                if rows.is_empty() {
                    continue;
                }
                let mut statement =
                    self.connection.prepare_cached(&format!("INSERT INTO '{}' VALUES (?, ?, ?)", index.name))?;
                for row in rows {
                    statement.execute((Key { bytes: &row.key, is_text: index.is_text }, number, row.at))?;
                }
            }
            u32::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, number))
        };
        insert().map_err(told("writing", &self.path))
    }
}

/// Writes a database of these headers, the same bytes for the same headers in the same order, in place of what is
/// there.
///
/// # Errors
/// A header that rpm wouldn't take, or a folder that can't be written. The old database stays then.
pub fn write_canonical(folder: &Path, headers: &[&Header]) -> Result<()> {
    fs_err::create_dir_all(folder)?;
    let temporary = tempfile::Builder::new().prefix(".rpmdb-").tempdir_in(folder)?;
    let path = temporary.path().join(FILE_NAME);
    fs_err::File::create(&path)?;
    let mut database = Database::connect(path.clone())?;
    // One transaction, and indexes last, over all rows: fewer pages, and none that depends on what was there before.
    database.run("creating", "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF;")?;
    database.transaction(|database| {
        database.run("creating tables in", &tables())?;
        for header in headers {
            database.insert(header)?;
        }
        database.run("creating indexes in", &indexes())
    })?;
    database.close()?;
    set_readable(&path)?;
    for companion in FILES.map(|name| folder.join(name)).iter().filter(|path| path.exists()) {
        fs_err::remove_file(companion)?;
    }
    fs_err::rename(&path, folder.join(FILE_NAME))?;
    Ok(())
}

/// A key with its type: rpm binds text that needn't be UTF-8.
struct Key<'key> {
    bytes: &'key [u8],
    is_text: bool,
}

impl ToSql for Key<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(if self.is_text { ValueRef::Text(self.bytes) } else { ValueRef::Blob(self.bytes) }))
    }
}

fn tables() -> String {
    let packages = "CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT,blob BLOB NOT NULL);".to_owned();
    let table = |index: &Index| {
        let kind = if index.is_text { "TEXT" } else { "BLOB" };
        format!(
            "CREATE TABLE '{}' (key '{kind}' NOT NULL, hnum INTEGER NOT NULL, idx INTEGER NOT NULL, \
             FOREIGN KEY (hnum) REFERENCES 'Packages'(hnum));",
            index.name
        )
    };
    std::iter::once(packages).chain(INDEXES.iter().map(table)).collect()
}

fn indexes() -> String {
    let create = |table: &str, column: &str| format!("CREATE INDEX '{table}_{column}_idx' ON '{table}'({column} ASC);");
    let mut sql = String::new();
    for index in INDEXES {
        if index.is_text {
            sql += &create(index.name, "key");
        }
        if index.is_array {
            sql += &create(index.name, "hnum");
        }
    }
    sql
}

fn told(doing: &'static str, path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Sqlite { doing, path: path.clone(), source }
}
