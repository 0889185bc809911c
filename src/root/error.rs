//! Why a root cannot be made.

use std::io;

use super::{
    fate::Conflict,
    scriptlet::{End, Kind},
};
use crate::{
    report::{Exit, Explain, printable},
    rpm, rpmdb,
    tree::RelPath,
};

/// Why a root cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A package file is damaged, or breaks rpm's rules.
    #[error("cannot install `{package}`")]
    Package {
        /// The package, or its file.
        package: String,
        /// What is wrong.
        source: rpm::Error,
    },
    /// A file of a package cannot be placed.
    #[error("cannot place `{path}` of `{package}`")]
    Place {
        /// The package.
        package: String,
        /// The path in the root.
        path: RelPath,
        /// What the system said.
        source: io::Error,
    },
    /// Packages want different files at the same paths.
    #[error("{} files conflict between packages: {}", .0.len(), shown(.0))]
    Conflicts(Vec<Conflict>),
    /// A scriptlet failed that must not.
    #[error("{} of `{package}` failed: {end}{}", kind.name(), tail(output))]
    Scriptlet {
        /// The package.
        package: String,
        /// Which one.
        kind: Kind,
        /// How it ended.
        end: End,
        /// What it wrote.
        output: Vec<u8>,
    },
    /// Text in a package that is not what it should be.
    #[error("`{package}`: {fault}")]
    Text {
        /// The package.
        package: String,
        /// What it is.
        fault: String,
    },
    /// The database cannot be written.
    #[error("cannot write the rpm database")]
    Database(#[from] rpmdb::Error),
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, source: io::Error) -> Self {
        Self::Io { what, source }
    }
}

/// The first conflicts; there may be thousands.
fn shown(conflicts: &[Conflict]) -> String {
    let list = conflicts.iter().take(3).map(|it| format!("`{}` of `{}` and `{}`", it.path, it.first, it.second));
    let more = if conflicts.len() > 3 { ", …" } else { "" };
    list.collect::<Vec<_>>().join(", ") + more
}

/// The last lines of a scriptlet's output.
pub(super) fn tail(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(3)..];
    if last.is_empty() { String::new() } else { format!(" (it said: {})", printable(&last.join("; "))) }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Host,
            _ => Exit::Build,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Package { source, .. } => source.hints(),
            Self::Conflicts(_) => vec!["leave one of the packages out with `exclude:` in the profile".into()],
            Self::Scriptlet { kind, .. } if !kind.is_fatal() => {
                vec!["if this failure does no harm, list it under `allowed-failures:` with the reason".into()]
            }
            _ => Vec::new(),
        }
    }
}
