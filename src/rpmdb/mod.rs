//! Headers → the database of installed packages that the image's own `rpm` reads.
//!
//! Flow: [`sqlite::Database::create`] before the first package is committed, [`sqlite::Database::add`] for each (scripts
//! may ask `rpm -q`), [`sqlite::rewrite`] after the last script: read back, whatever was changed meanwhile, and written
//! anew so that the same packages give the same bytes.
//!
//! Key types: [`sqlite::Database`], [`index::Row`]. What a header in the database holds is
//! [`Package::installed`](crate::rpm::Package::installed)'s business.

pub mod index;
pub mod pubkey;
mod rich;
pub mod sqlite;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

use crate::{
    report::{Exit, Explain},
    rpm::{self, Header, Tag},
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

/// A header as it is in the image: installed at the image's epoch, whenever that really was.
///
/// INSTALLTIME and INSTALLTID are the only entries that say when; they are patched in place, all else stays as found.
#[must_use]
pub fn at_epoch(header: &Header, epoch: Epoch) -> Header {
    let seconds = u32::try_from(epoch.0.max(0)).unwrap_or(u32::MAX);
    header.with_numbers(&[(Tag::INSTALLTIME, seconds), (Tag::INSTALLTID, seconds)])
}
