//! Package file → header, file list, scriptlets, payload stream, verified signature.
//!
//! A package file is a *lead* (96 bytes, only its magic matters), a *signature header*, the *main header* and the
//! *payload*: a compressed cpio archive whose records are named by the header's file list. Everything here is bounded
//! and reads hostile bytes without a panic; nothing here knows of roots, owners' numbers or what is installed.
//!
//! Flow: [`Package::read`] → [`signature::verify`] → [`files`], [`scriptlets`], [`capabilities`] → [`payload::Reader`].
//! Source of the format: rpm's `docs/manual/format_*.md` and `lib/header.cc`, versions 4.18 to 6.1.

pub mod capabilities;
pub mod digest;
pub mod evr;
pub mod export;
pub mod files;
pub mod header;
mod header_check;
pub mod package;
pub mod payload;
pub mod scriptlets;
pub mod signature;
pub mod tag;
pub mod triggers;

pub use {
    capabilities::{Capabilities, Capability},
    evr::Evr,
    files::{FileEntry, FileKind},
    header::{Header, Value},
    package::Package,
    scriptlets::{Scriptlet, Scriptlets},
    tag::Tag,
    triggers::{FileTrigger, Trigger},
};

/// Why a package can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file ends early, or can't be read.
    #[error("cannot read the package's {part}")]
    Read {
        /// Lead, signature header, header or payload.
        part: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another kind of file.
    #[error("not an RPM package: {found}")]
    NotAPackage {
        /// What is there.
        found: String,
    },
    /// A header breaks the format or rpm's limits.
    #[error("bad {part}: {fault}")]
    Header {
        /// Which header.
        part: &'static str,
        /// The rule it breaks.
        fault: String,
    },
    /// An entry is missing, or isn't what its tag says.
    #[error("header entry {tag}: {fault}")]
    Entry {
        /// The tag.
        tag: Tag,
        /// What is wrong with it.
        fault: String,
    },
    /// The bytes aren't those that were digested.
    #[error("{what} digest is {found}, expected {expected}")]
    Digest {
        /// Header, payload or file, with the algorithm.
        what: String,
        /// As the package says.
        expected: String,
        /// As the bytes say.
        found: String,
    },
    /// The payload breaks its format, its limits or the header's file list.
    #[error("bad payload: {0}")]
    Payload(String),
}

impl Error {
    pub(crate) fn entry(tag: Tag, fault: impl Into<String>) -> Self {
        Self::Entry { tag, fault: fault.into() }
    }
}

/// The result of reading packages.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl crate::report::Explain for Error {
    fn exit(&self) -> crate::report::Exit {
        crate::report::Exit::Build
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Digest { .. } | Self::Read { .. } => {
                vec!["the file may be damaged or half downloaded; remove it from the cache and fetch it again".into()]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
