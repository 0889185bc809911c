//! Why a test distribution can't be made.

use std::io;
use std::process::ExitStatus;

/// Why a test distribution can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Usage(String),

    #[error("`{program}` is not installed\nhint: apt-get install {package}")]
    MissingTool { program: &'static str, package: &'static str },

    #[error("starting `{program}`")]
    Start { program: String, source: io::Error },

    #[error("`{command}` failed ({status}):\n{stderr}")]
    Failed { command: String, status: ExitStatus, stderr: String },

    #[error("{what}: {why}")]
    Malformed { what: String, why: String },

    #[error("{doing}")]
    Io { doing: String, source: io::Error },

    #[error("rewrapping `{package}`")]
    Rewrap { package: String, source: Box<Error> },

    #[error(transparent)]
    File(#[from] io::Error),
}

/// The result of a step.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error about input that breaks its own format.
    pub(crate) fn malformed(what: impl Into<String>, why: impl Into<String>) -> Self {
        Error::Malformed { what: what.into(), why: why.into() }
    }
}
