//! Why repositories or packages cannot be had.

use std::io;

use super::{Checksum, xml};
use crate::{
    cache,
    report::{Exit, Explain},
};

/// Why a repository or a package cannot be had. Addresses are shown without user information.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that is not understood.
    #[error("repository `{alias}` has the address `{url}`, which is {fault}")]
    Address {
        /// The repository.
        alias: String,
        /// Its address.
        url: String,
        /// What is wrong with it.
        fault: String,
    },
    /// `http:` without signed metadata: anyone on the way could put in anything (`ENGINEERING` VI.6).
    #[error("repository `{alias}` is read by `http:` and its metadata is not signed")]
    Insecure {
        /// The repository.
        alias: String,
    },
    /// There is no repository at the address.
    #[error("there is no repository `{alias}` at `{url}`: it has no `repodata/repomd.xml`")]
    NoRepository {
        /// The repository.
        alias: String,
        /// Its address.
        url: String,
        /// Dates that may stand in the address instead of its own, oldest first.
        dates: Vec<String>,
    },
    /// A file that the metadata names is not there.
    #[error("repository `{alias}` lacks `{file}`, which its metadata names")]
    Missing {
        /// The repository.
        alias: String,
        /// The file.
        file: String,
    },
    /// The network or the server fails, after retries.
    #[error("cannot download `{url}`")]
    Network {
        /// The file.
        url: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file ends early, after retries.
    #[error("`{url}` is truncated: {got} of {expected} bytes came")]
    Truncated {
        /// The file.
        url: String,
        /// Bytes that were announced.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// A file does not end where it should.
    #[error("`{url}` is longer than the {expected} bytes that it should have")]
    TooLong {
        /// The file.
        url: String,
        /// Bytes that were announced, or the most that are taken.
        expected: u64,
    },
    /// A file is not what the metadata or the lock says.
    #[error("`{url}` has the wrong checksum")]
    Checksum {
        /// The file.
        url: String,
        /// Which.
        source: Mismatch,
    },
    /// A repository must be signed and is not, or not by a key that is trusted.
    #[error("the signature of repository `{alias}` is refused")]
    Signature {
        /// The repository.
        alias: String,
        /// Why.
        source: Refusal,
    },
    /// The same of a package.
    #[error("the signature of package `{package}` is refused")]
    PackageSignature {
        /// The package.
        package: String,
        /// Why.
        source: Refusal,
    },
    /// Metadata that cannot be read.
    #[error("cannot read `{file}` of repository `{alias}`")]
    Metadata {
        /// The repository.
        alias: String,
        /// The file.
        file: String,
        /// Why.
        source: xml::Error,
    },
    /// A local repository cannot be read.
    #[error("cannot read repository `{alias}`")]
    Local {
        /// The repository.
        alias: String,
        /// Why; names the file.
        source: io::Error,
    },
    /// A server wants to know who asks, and nobody told, or it does not believe what was told.
    #[error("`{url}` asks for a name and a password{}", if *told { ", and refuses those that are known" } else { "" })]
    Unauthorized {
        /// The file.
        url: String,
        /// Whether it was told some.
        told: bool,
    },
    /// A file with credentials cannot be used.
    #[error("cannot use the credentials in `{}`", file.display())]
    Credentials {
        /// The file.
        file: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is not in the cache and the network may not be used.
    #[error("`{what}` is not in the cache, and `--offline` forbids to download it")]
    Offline {
        /// A file or repository.
        what: String,
    },
    /// The cache cannot be used.
    #[error(transparent)]
    Cache(#[from] cache::Error),
}

/// Two checksums that should be the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {found}")]
pub struct Mismatch {
    /// What was announced.
    pub expected: Checksum,
    /// What came.
    pub found: Checksum,
}

/// Why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is none.
    #[error("there is no signature")]
    Unsigned,
    /// No trusted key made it.
    #[error("it is by the key {0}, which the distribution does not list")]
    UnknownKey(String),
    /// The distribution lists no keys.
    #[error("the distribution lists no keys")]
    NoKeys,
    /// None of the distribution's keys could be had.
    #[error("the key {0} of the distribution was not found")]
    NoKey(String),
    /// It does not fit the file.
    #[error("the signature by the key {0} is not of this file")]
    Bad(String),
    /// What was fetched now is by a key that has ended, or by a signature that says so.
    #[error("it is by the key {key}, which was good until {until}")]
    Ended {
        /// The key's fingerprint.
        key: String,
        /// The date.
        until: String,
    },
    /// It cannot be read or uses what is not accepted.
    #[error("{0}")]
    Unusable(String),
}

impl Error {
    /// Whether the repository may have changed between its metadata and its packages: asking again may do better.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Checksum { .. } | Self::Truncated { .. } | Self::TooLong { .. })
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Address { .. } | Self::Insecure { .. } | Self::NoRepository { .. } => Exit::Usage,
            Self::Network { .. }
            | Self::Offline { .. }
            | Self::Local { .. }
            | Self::Unauthorized { .. }
            | Self::Credentials { .. } => Exit::Host,
            Self::Cache(error) => error.exit(),
            _ => Exit::Build,
        }
    }

    fn hints(&self) -> Vec<String> {
        let hint: String = match self {
            Self::Address { .. } => "an address begins with `https:`, `http:`, `dir:` or `file:`".into(),
            Self::Insecure { .. } => "sign its metadata and name the key, or reach it by `https:` or `dir:`".into(),
            Self::NoRepository { dates, .. } if !dates.is_empty() => {
                format!("`variables.snapshot` may be one of {}", dates.join(", "))
            }
            Self::NoRepository { .. } => "check the address; a folder of packages becomes one by `createrepo_c`".into(),
            error if error.may_pass() => "a mirror may be in the middle of an update: try again later".into(),
            Self::Network { .. } => "`--offline` builds from what is in the cache".into(),
            Self::Unauthorized { .. } => {
                "put `machine HOST login NAME password SECRET` into `~/.config/rowi/credentials`, mode 0600".into()
            }
            Self::Credentials { file, .. } => format!("`chmod 600 {}`: it is for your eyes only", file.display()),
            Self::Offline { .. } => "run once without `--offline`".into(),
            Self::Signature { source: Refusal::UnknownKey(key), .. }
            | Self::PackageSignature { source: Refusal::UnknownKey(key), .. } => {
                format!("if you trust it, add `fingerprint: {key}` to the distribution's `keys`")
            }
            Self::Signature { source: Refusal::Unsigned, .. } => {
                "`verify: packages` or `verify: checksums` in the repository's entry asks for less".into()
            }
            Self::Signature { source: Refusal::Ended { .. }, .. } => {
                "the mirror may be behind, or the distribution has given the key a longer life: take its newest copy; \
                 `--locked` and `--offline` build what was accepted before"
                    .into()
            }
            Self::Cache(error) => return error.hints(),
            _ => return Vec::new(),
        };
        vec![hint]
    }
}
