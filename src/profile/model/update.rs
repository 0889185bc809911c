//! How the machine updates itself.

use serde::{Deserialize, Serialize};

use super::{Secret, Verify};

/// Automatic updates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// What is called; nothing: no updates by themselves.
    pub method: Option<UpdateMethod>,
    /// systemd calendar expression (systemd.time(7)).
    pub schedule: String,
    /// The start is spread over this many seconds.
    pub random_delay: u64,
    /// What happens after an update.
    pub reboot: Reboot,
    /// Whether a new snapshot that is not well is left again.
    pub health: bool,
    /// Old snapshots that stay.
    pub keep: Keep,
    /// Repositories in place of the distribution's; nothing: those.
    pub repositories: Option<Vec<Mirror>>,
}

/// A repository that only the machine knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Its name in `/etc/zypp/repos.d`.
    pub alias: String,
    /// `http:`, `https:`, `file:` or `dir:`; a trailing slash is dropped.
    pub url: String,
    /// 1 is asked first, 99 is the default (zypper's numbers).
    pub priority: u32,
    /// What must be signed.
    pub verify: Verify,
    /// What it asks for.
    pub login: Option<Login>,
}

/// Name and password for a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Whom it asks for.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// zypper's command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateMethod {
    /// To what the repositories have, vendor and version down included.
    Dup,
    /// To newer versions.
    Up,
    /// What the repositories' notices name.
    Patch,
}

impl UpdateMethod {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dup => "dup",
            Self::Up => "up",
            Self::Patch => "patch",
        }
    }
}

/// The restart after an update.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reboot {
    /// Who does it; nothing: a person.
    pub method: Option<RebootMethod>,
    /// When the maintenance window begins: `03:30`.
    pub window: Option<String>,
    /// Its length in seconds.
    pub duration: u64,
}

/// Who restarts a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RebootMethod {
    /// rebootmgr, in its window.
    Rebootmgr,
    /// kured, one node of a cluster after the other.
    Kured,
    /// systemd, at once.
    Systemd,
}

impl RebootMethod {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rebootmgr => "rebootmgr",
            Self::Kured => "kured",
            Self::Systemd => "systemd",
        }
    }
}

/// How many snapshots snapper keeps, `FROM-TO`: the lower number when room is short (snapper-configs(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Of all.
    pub snapshots: String,
    /// Of those that are marked important.
    pub important: String,
}

impl Default for Keep {
    fn default() -> Self {
        Self { snapshots: "2-10".into(), important: "4-10".into() }
    }
}
