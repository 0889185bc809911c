//! Headers → the database of installed packages that the image's own `rpm` reads.
//!
//! Flow: [`Database::create`] before the first package is committed, [`Database::add`] for each (scripts may ask
//! `rpm -q`), [`rewrite`] after the last script: read back, whatever was changed meanwhile, and written anew so that the
//! same packages give the same bytes. The backend is the one that the root's own rpm has: [`sqlite`] or [`ndb`].
//!
//! Key types: [`Database`], [`Backend`], [`index::Row`]. What a header in the database holds is
//! [`Package::installed`](crate::rpm::Package::installed)'s business.

pub mod index;
pub mod ndb;
pub mod pubkey;
mod rich;
pub mod sqlite;
#[cfg(test)]
mod tests;

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    report::{Exit, Explain},
    rpm::{self, Header, Tag, header::Limits},
    units::Epoch,
};

/// Why the database can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// SQLite refuses.
    #[error("{doing} `{path}`")]
    Sqlite {
        /// A gerund: reading, writing, …
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// An ndb database is damaged, or can't be read or written.
    #[error("package database `{path}`")]
    Ndb {
        /// Its `Packages.db`.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// The file system refuses.
    #[error("replacing the package database")]
    Io(#[from] io::Error),
    /// A header in it is broken.
    #[error("package {number} of `{path}`")]
    Header {
        /// The database.
        path: PathBuf,
        /// The package's number in it.
        number: u32,
        /// What is wrong with it.
        source: rpm::Error,
    },
    /// A key that can't be stored.
    #[error("storing key `{fingerprint}`")]
    Key {
        /// Of the primary key.
        fingerprint: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A header that rpm wouldn't take.
    #[error("package `{label}` has no {tag}, which the database needs")]
    Incomplete {
        /// Name, version and release as far as known.
        label: String,
        /// What is missing.
        tag: Tag,
    },
}

/// The result of working on the database.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Build
    }
}

/// How a database lies on disk (rpm's `%_db_backend`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// One file of SQLite's: the default since rpm 4.16.
    #[default]
    Sqlite,
    /// `Packages.db` and `Index.db`: openSUSE's.
    Ndb,
}

impl Backend {
    /// By rpm's name for it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Sqlite, Self::Ndb].into_iter().find(|backend| backend.name() == name)
    }

    /// rpm's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Ndb => "ndb",
        }
    }

    /// The files in rpm's folder that belong to it.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Sqlite => &sqlite::FILES,
            Self::Ndb => &ndb::FILES,
        }
    }
}

/// An open database.
#[derive(Debug)]
pub enum Database {
    /// In SQLite.
    Sqlite(sqlite::Database),
    /// In rpm's own format.
    Ndb(ndb::Database),
}

impl Database {
    /// Makes an empty database in rpm's folder, and the folder.
    ///
    /// # Errors
    /// There is one, or it can't be written.
    pub fn create(backend: Backend, folder: &Path) -> Result<Self> {
        match backend {
            Backend::Sqlite => sqlite::Database::create(folder).map(Self::Sqlite),
            Backend::Ndb => ndb::Database::create(folder).map(Self::Ndb),
        }
    }

    /// Opens the database in rpm's folder.
    ///
    /// # Errors
    /// There is none, or it isn't one; or it is a symbolic link, which scripts could have laid to a file of the host.
    pub fn open(backend: Backend, folder: &Path) -> Result<Self> {
        match backend {
            Backend::Sqlite => sqlite::Database::open(folder).map(Self::Sqlite),
            Backend::Ndb => ndb::Database::open(folder).map(Self::Ndb),
        }
    }

    /// Adds a package and gives its number.
    ///
    /// # Errors
    /// A header without name, version, release or region, or a database that can't be written.
    pub fn add(&mut self, header: &Header) -> Result<u32> {
        match self {
            Self::Sqlite(database) => database.add(header),
            Self::Ndb(database) => database.add(header),
        }
    }

    /// Removes a package by its number; none with that number is no error.
    ///
    /// # Errors
    /// A database that can't be written.
    pub fn remove(&mut self, number: u32) -> Result<()> {
        match self {
            Self::Sqlite(database) => database.remove(number),
            Self::Ndb(database) => database.remove(number),
        }
    }

    /// All packages with their numbers, in the order in which they came.
    ///
    /// # Errors
    /// A database that can't be read, or a broken header in it.
    pub fn headers(&self) -> Result<Vec<(u32, Header)>> {
        match self {
            Self::Sqlite(database) => database.headers(),
            Self::Ndb(database) => database.headers(),
        }
    }

    /// Ends the work on it, with everything on disk.
    ///
    /// # Errors
    /// A database that can't be written.
    pub fn close(self) -> Result<()> {
        match self {
            Self::Sqlite(database) => database.close(),
            Self::Ndb(database) => database.close(),
        }
    }
}

/// Writes a database of these headers, the same bytes for the same headers in the same order, in place of what is
/// there.
///
/// # Errors
/// A header that rpm wouldn't take, or a folder that can't be written. The old database stays then.
pub fn write_canonical(backend: Backend, folder: &Path, headers: &[&Header]) -> Result<()> {
    match backend {
        Backend::Sqlite => sqlite::write_canonical(folder, headers),
        Backend::Ndb => ndb::write_canonical(folder, headers),
    }
}

/// Reads the database back, whoever wrote to it last, and writes it anew as of the image's epoch.
///
/// # Errors
/// As [`Database::headers`] and [`write_canonical`].
pub fn rewrite(backend: Backend, folder: &Path, epoch: Epoch) -> Result<()> {
    let database = Database::open(backend, folder)?;
    let headers: Vec<Header> = database.headers()?.iter().map(|(_, header)| at_epoch(header, epoch)).collect();
    database.close()?;
    write_canonical(backend, folder, &headers.iter().collect::<Vec<_>>())
}

/// Brings a database to another folder, or into another format. Folders are named as they are, not by links to them.
///
/// # Errors
/// It can't be read, or the new one can't be written.
pub fn convert(from: (Backend, &Path), to: (Backend, &Path)) -> Result<()> {
    if from == to {
        return Ok(()); // by two names: one is a link to the other
    }
    let database = Database::open(from.0, from.1)?;
    let mut new = Database::create(to.0, to.1)?;
    for (_, header) in database.headers()? {
        new.add(&header)?;
    }
    database.close()?;
    new.close()?;
    for file in from.0.files().iter().map(|name| from.1.join(name)).filter(|file| file.exists()) {
        fs_err::remove_file(file)?;
    }
    Ok(())
}

/// rpm's own mode for its files: everyone may ask.
fn set_readable(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(fs_err::set_permissions(path, PermissionsExt::from_mode(0o644))?)
}

/// What rpm's `validHeader` demands.
fn check(header: &Header) -> Result<()> {
    let missing = |tag| Err(Error::Incomplete { label: header.label(), tag });
    if header.region.is_none_or(|region| region.tag != Tag::HEADERIMMUTABLE) {
        return missing(Tag::HEADERIMMUTABLE);
    }
    match [Tag::NAME, Tag::VERSION, Tag::RELEASE].into_iter().find(|tag| !header.has(*tag)) {
        Some(tag) => missing(tag),
        None => Ok(()),
    }
}

/// A header that is stored in a database.
fn parse(path: &Path, number: u32, blob: Vec<u8>) -> Result<(u32, Header)> {
    match Header::parse(blob, "stored header", Limits::MAIN) {
        Ok(header) => Ok((number, header)),
        Err(source) => Err(Error::Header { path: path.to_path_buf(), number, source }),
    }
}

/// A header as it is in the image: installed at the image's epoch, whenever that really was.
///
/// INSTALLTIME and INSTALLTID are the only entries that say when; they are patched in place, all else stays as found.
#[must_use]
pub fn at_epoch(header: &Header, epoch: Epoch) -> Header {
    let seconds = u32::try_from(epoch.0.max(0)).unwrap_or(u32::MAX);
    header.with_numbers(&[(Tag::INSTALLTIME, seconds), (Tag::INSTALLTID, seconds)])
}
