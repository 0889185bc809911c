//! The only place where a process runs inside a root: a work folder becomes a namespace in which root's build and a
//! user's are the same.
//!
//! ```text
//! probe ─→ Means ─→ run_inside: this program again, in new user, mount, pid, ipc, uts and network namespaces
//!                     └→ inside::enter: the ids, the work folder as working directory
//!                          └→ Server: pid 1 of a second pid namespace, in the root, confined; runs jobs one by one
//! ```
//!
//! A root of another architecture is emulated, scriptlet by scriptlet as if it were the machine's own; programs of which
//! there are builds for this machine ([`native`]) are not.
//! The build's inner half sees the tree as it is: `/dev`, `/proc` and the rest are mounted for the server alone.
//! A root inside is never the host's root: see [`Mapping`]. When the caller dies, everything inside dies with it,
//! SIGKILL included: each process ends with its parent, and a pid namespace with its first process. Mounts go with
//! their namespace; what remains is the work folder, which [`empty`] clears.

use std::io;

use serde::{Deserialize, Serialize};

use crate::{
    exec,
    report::{Exit, Explain},
};

mod confine;
mod dispatch;
mod doctor;
mod emulation;
pub mod inside;
mod job;
mod mapping;
mod mounts;
pub mod native;
mod outside;
mod runner;
mod server;
mod system;

pub use doctor::{Check, doctor};
pub use emulation::{Emulator, Registrations};
pub use inside::Inside;
pub use job::{Command, End, Ended, What};
pub use mapping::Mapping;
pub use outside::{Finished, empty, emulate, give, probe, probe_with, run_inside};
pub use server::{Place, Server, Tools};

/// The first argument with which this program calls itself to be the inner half.
pub const INSIDE: &str = "__inside";

/// How this machine lets us run programs in a root; written by [`probe`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    /// Whose ids stand for those inside.
    pub mapping: Mapping,
    /// Which `/proc` the root sees.
    pub procfs: Procfs,
    /// The program that is called again as the inner half.
    pub program: std::path::PathBuf,
    /// What runs the root's programs, if this machine cannot.
    pub emulator: Option<Emulator>,
}

/// Which `/proc` the root sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Procfs {
    /// That of a pid namespace of its own.
    Own,
    /// The caller's, bound, with the caller's pid namespace: in containers that mask parts of `/proc` the kernel
    /// refuses another.
    Bound,
}

/// What the inner half does first; a failure is reported by the step's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Making a user namespace.
    User,
    /// Taking the mapped ids.
    Ids,
    /// Making the other namespaces.
    Namespaces,
    /// Mounting procfs.
    Procfs,
    /// Mounting the rest.
    Mounts,
    /// Running programs of another architecture.
    Emulation,
    /// Giving up capabilities and system calls.
    Confine,
}

impl Step {
    fn what(self) -> &'static str {
        match self {
            Self::User => "make a user namespace",
            Self::Ids => "take the sandbox's ids",
            Self::Namespaces => "make mount, pid, ipc, uts and network namespaces",
            Self::Procfs => "mount `/proc` in the sandbox",
            Self::Mounts => "mount file systems in the sandbox",
            Self::Emulation => "run programs of another architecture in the sandbox",
            Self::Confine => "filter system calls",
        }
    }
}

/// Why there is no sandbox, or what broke in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel, its settings or a container's filter refuses a step.
    #[error("cannot {}", step.what())]
    Refused {
        /// The step.
        step: Step,
        /// What the system said.
        source: io::Error,
        /// What is in the way, if a setting says so, with what to change.
        advice: String,
    },
    /// The user has no subordinate ids.
    #[error("user `{user}` has no 65,535 subordinate ids in `{file}`")]
    NoSubordinates {
        /// `/etc/subuid` or `/etc/subgid`.
        file: &'static str,
        /// The user.
        user: String,
    },
    /// uid 0 finds no range for the ids inside.
    #[error("no 65,536 ids above 0x70000000 are free: all are subordinate ids, or do not exist in this container")]
    NoRange,
    /// A program of the host's that the sandbox needs.
    #[error("cannot set up the sandbox")]
    Program(#[from] exec::Error),
    /// The inner half ended before its work was done.
    #[error("the sandbox ended early with exit code {code}: {said}")]
    Ended {
        /// Exit code; 128 and the number for a signal.
        code: i32,
        /// The end of its standard error.
        said: String,
    },
    /// The system refused something else.
    #[error("cannot {what}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    fn io(what: &'static str, source: impl Into<io::Error>) -> Self {
        Self::Io { what, source: source.into() }
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Ended { .. } => Exit::Build,
            _ => Exit::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused { advice, .. } => vec![advice.clone()],
            Self::NoSubordinates { user, .. } => vec![format!(
                "run as root: `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}` (a range that no other line of `/etc/subuid` has)"
            )],
            Self::NoRange => vec!["run as a user with subordinate ids instead of as root".into()],
            Self::Program(source) => source.hints(),
            Self::Ended { .. } | Self::Io { .. } => Vec::new(),
        }
    }
}
