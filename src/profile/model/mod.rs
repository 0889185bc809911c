//! What a checked profile says: the merged, validated words of profile, platform and distribution.
//!
//! Every type here is plain data; [`crate::plan`] carries many of them on unchanged. The text form, with its
//! defaults, conditions and merging, stays in `profile::shape`, `profile::merge` and `profile::read`.

mod boot;
mod container;
mod distribution;
mod files;
mod kubernetes;
mod layout;
mod logging;
mod machine;
mod preload;
mod registries;
mod update;

use std::{collections::BTreeMap, fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bytes;

pub use boot::{Boot, Firmware, Loader};
pub use container::{Container, LogDriver, Logs, Prune, Runtime};
pub use distribution::{AllowedFailure, BootFiles, Distribution, Key, Native, OnImage, Repository, Traits, Verify};
pub use files::{Check, ExtraFile, FileSource, Overlay, Script, ScriptTime};
pub use kubernetes::{Document, Kubernetes};
pub use layout::{EtcMode, Layout, Partition, PartitionKind, Subvolume, Table};
pub use logging::{Forward, LogProtocol};
pub use machine::{Address, Connection, FirstBoot, Machine, Secret, Selinux, Ssh, Sudo, User};
pub use preload::{ImageSource, InvalidReference, Preload, Reference};
pub(crate) use registries::server;
pub use registries::{Registries, Registry, Verification};
pub use update::{Keep, Login, Mirror, Reboot, RebootMethod, Update, UpdateMethod};

/// A checked profile for one platform, distribution and architecture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The profile's name: its file's name without the ending.
    pub name: String,
    /// One line for `rowi profiles`.
    pub summary: String,
    /// The platform's name.
    pub platform: String,
    /// The distribution it is made of.
    pub distribution: Distribution,
    /// The machine's processor.
    pub arch: Arch,
    /// The version as given; `None` is `auto`, the installed system's VERSION_ID or the epoch's date.
    pub version: Option<String>,
    /// What to install.
    pub packages: Packages,
    /// Subvolumes, partitions, compression.
    pub layout: Layout,
    /// How it boots.
    pub boot: Boot,
    /// What the installed system is told.
    pub machine: Machine,
    /// Files of the user's that go into the root, in order.
    pub overlays: Vec<Overlay>,
    /// Single files that go into the root after the overlays.
    pub files: Vec<ExtraFile>,
    /// Programs run inside the root.
    pub scripts: Vec<Script>,
    /// Checks that `rowi boot --check` runs inside the machine.
    pub checks: Vec<Check>,
    /// The results to write.
    pub formats: Vec<Format>,
    /// How `rowi boot` emulates the machine.
    pub emulate: Emulate,
    /// Container images that are in the image.
    #[serde(default)]
    pub preload: Vec<Preload>,
    /// The line that asks for the images of Kubernetes' control plane, whose names the chosen kubeadm says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<Place>,
    /// Settings that are checked and kept for other commands or a later version, by key: `image.name`,
    /// `logging.forward`, …; secrets as `secret:NAME`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub carried: BTreeMap<String, serde_json::Value>,
    /// Settings left out since the distribution lacks their role, and other things worth a line in the summary.
    pub notes: Vec<String>,
}

/// A place in a file of the user's, for errors and for `rowi why`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user would name it.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// A processor architecture, by the name that rpm and the kernel give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// 64-bit PCs.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    Aarch64,
}

impl Arch {
    /// The name in package files and results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// The architecture that this program runs on.
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Aarch64 } else { Self::X86_64 }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What to install, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Packages {
    /// Names, capabilities, `name >= 1.2`, `/file`, `pattern:NAME`; each with the line that asks for it.
    pub install: Vec<Request>,
    /// Names that the solver may not install for anyone.
    pub forbid: Vec<Request>,
    /// Whether recommended packages are installed too.
    pub recommends: bool,
    /// Whether files marked as documentation are installed.
    pub docs: bool,
    /// Languages whose files are installed (rpm's `_install_langs`); empty is all.
    pub locales: Vec<String>,
}

/// One wish, and who wishes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Request {
    /// As written.
    pub what: String,
    /// The role that it came from, if any.
    pub role: Option<String>,
    /// The line that asks.
    pub place: Place,
}

/// A result's format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// A sparse raw disk.
    #[serde(rename = "raw")]
    Raw,
    /// qcow2, zstd-compressed clusters.
    #[serde(rename = "qcow2")]
    Qcow2,
    /// A raw disk in xz.
    #[serde(rename = "raw.xz")]
    RawXz,
    /// A raw disk in zstd.
    #[serde(rename = "raw.zst")]
    RawZst,
}

impl Format {
    /// The result's ending.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
            Self::RawXz => "raw.xz",
            Self::RawZst => "raw.zst",
        }
    }
}

/// How the platform is emulated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Emulate {
    /// QEMU's machine type.
    pub machine: String,
    /// Memory.
    pub memory: Option<Bytes>,
    /// A file of the first partition that QEMU loads as `-kernel`.
    pub kernel: Option<String>,
    /// Whether the disk is padded to a power of two.
    pub pad_to_power_of_two: bool,
}
