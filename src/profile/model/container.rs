//! Container runtimes and how they run.

use serde::{Deserialize, Serialize};

use super::Registries;
use crate::units::Bytes;
use schemars::JsonSchema;

/// Container runtimes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// In the profile's order.
    pub runtimes: Vec<Runtime>,
    /// `crun` or `runc`.
    pub low_level: Option<String>,
    /// How images and containers are kept: `overlay`, `btrfs` or `vfs`.
    pub driver: Option<String>,
    /// The folder below which each runtime keeps them; nothing: where it does so by itself.
    pub path: Option<String>,
    /// What containers write.
    pub logs: Logs,
    /// Which system calls containers may use: a profile in the image, or `unconfined`; nothing: the runtime's own.
    pub seccomp: Option<String>,
    /// Whether each container has users of its own.
    pub own_users: bool,
    /// How the network of containers without root is made: `pasta` or `slirp4netns`.
    pub rootless_network: Option<String>,
    /// When images that no container needs go.
    pub prune: Option<Prune>,
    /// Where images come from.
    pub registries: Registries,
}

/// What containers write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// Where it goes; nothing: as the runtime does it.
    pub driver: Option<LogDriver>,
    /// How large a file gets.
    pub max_size: Option<Bytes>,
    /// How many files there are.
    pub max_files: Option<u32>,
}

/// Where it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogDriver {
    /// To the journal.
    Journald,
    /// To a file of the runtime's.
    File,
    /// Nowhere.
    None,
}

/// When images that no container needs go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prune {
    /// systemd calendar expression (systemd.time(7)).
    pub schedule: String,
    /// Seconds that they are old.
    pub older_than: u64,
}

/// A container runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// podman.
    Podman,
    /// dockerd.
    Docker,
    /// CRI-O.
    CriO,
    /// containerd.
    Containerd,
    /// LXC.
    Lxc,
}

impl Container {
    /// Whether it has one of these runtimes.
    pub fn has(&self, runtimes: &[Runtime]) -> bool {
        self.runtimes.iter().any(|runtime| runtimes.contains(runtime))
    }

    /// Whether it has one that reads containers(5)' files: `storage.conf`, `registries.conf`, `policy.json`.
    pub fn has_shared(&self) -> bool {
        self.has(&[Runtime::Podman, Runtime::CriO])
    }
}

impl Runtime {
    /// Its word in profiles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "docker",
            Self::CriO => "cri-o",
            Self::Containerd => "containerd",
            Self::Lxc => "lxc",
        }
    }

    /// The program that it is, for people.
    pub fn daemon(self) -> &'static str {
        match self {
            Self::Podman => "podman",
            Self::Docker => "dockerd",
            Self::CriO => "crio",
            Self::Containerd => "containerd",
            Self::Lxc => "lxc",
        }
    }
}
