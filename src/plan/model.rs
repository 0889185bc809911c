//! The plan as data: everything that the stages right of it may know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    profile::{
        AllowedFailure, Arch, Boot, BootFiles, Check, Emulate, Format, Key, Layout, Machine, Repository, ScriptTime,
        Traits,
    },
    rpmdb::Backend,
    units::{Bytes, Epoch},
};

/// How one image is made. Holds every input by digest; no tool version, path, user, time of day or thread count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this structure.
    pub plan: u32,
    /// The profile's name.
    pub profile: String,
    /// The platform's name.
    pub platform: String,
    /// The distribution's name.
    pub distribution: String,
    /// The machine's processor.
    pub arch: Arch,
    /// The version in the results' names; nothing: the installed VERSION_ID, else the epoch's date.
    pub version: Option<String>,
    /// `SOURCE_DATE_EPOCH`, or the newest build time of a package: no file is younger.
    pub epoch: Epoch,
    /// What is installed, sorted by name.
    pub packages: Vec<Package>,
    /// Container images that are in it, in the profile's order.
    #[serde(default)]
    pub images: Vec<Image>,
    /// How it is installed.
    pub install: Install,
    /// Repositories and keys that the image's own zypper and rpm get.
    pub repositories: Vec<Repository>,
    /// See [`Plan::repositories`].
    pub keys: Vec<Key>,
    /// What the installed system is told.
    pub machine: Machine,
    /// Habits of the distribution.
    pub traits: Traits,
    /// Paths that differ between distributions, by use.
    pub paths: BTreeMap<String, String>,
    /// Roles that the distribution does not have, with the reason.
    pub absent: BTreeMap<String, String>,
    /// Files that the firmware partition gets.
    pub boot_files: Vec<BootFiles>,
    /// The user's files, in the order in which they are laid over the root.
    pub files: Vec<InputFile>,
    /// The user's programs.
    pub scripts: Vec<InputScript>,
    /// Subvolumes and partitions.
    pub layout: Layout,
    /// How it boots.
    pub boot: Boot,
    /// Checks inside the machine.
    pub checks: Vec<Check>,
    /// How the machine is emulated.
    pub emulate: Emulate,
    /// The results.
    pub outputs: Vec<Format>,
    /// What every UUID and salt comes from: the digest of all fields above.
    pub seed: Seed,
}

/// A package to install.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Architecture as in the package.
    pub arch: String,
    /// Alias of the repository.
    pub repository: String,
    /// Size of the package file.
    pub size: Bytes,
    /// SHA-256 of the package file, lower-case hexadecimal.
    pub sha256: String,
}

/// A container image that is in the image.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Image {
    /// The name that runtimes know it by.
    pub name: String,
    /// Size of all its blobs.
    pub size: Bytes,
    /// SHA-256 of its manifest, lower-case hexadecimal: it names all others.
    pub sha256: String,
}

/// How packages are installed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Install {
    /// Whether documentation is installed.
    pub docs: bool,
    /// Languages; empty is all.
    pub locales: Vec<String>,
    /// The database's format until the root's own rpm says it.
    pub rpmdb: Backend,
    /// Whether accounts that packages provide are left to scriptlets, as an rpm without `%__systemd_sysusers` does it.
    pub own_accounts: bool,
    /// Variables added to the constant environment of scriptlets.
    pub environment: BTreeMap<String, String>,
    /// Scriptlets that may fail.
    pub allowed_failures: Vec<AllowedFailure>,
    /// Whether any other failing scriptlet ends the build.
    pub strict_scriptlets: bool,
}

/// A file of the user's, by digest. The bytes lie in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Path in the root, absolute.
    pub path: String,
    /// What it is.
    pub kind: InputKind,
    /// Permission bits.
    pub mode: u32,
    /// Owner's name or number.
    pub owner: String,
    /// Group's name or number.
    pub group: String,
    /// The overlay or profile line that it came from.
    pub origin: String,
}

/// What a file of the user's is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// A folder.
    Directory,
    /// A file whose bytes have this SHA-256.
    File {
        /// Lower-case hexadecimal.
        sha256: String,
    },
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: String,
    },
}

/// A program of the user's, by digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputScript {
    /// Its name for messages.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// When it runs.
    pub at: ScriptTime,
}

/// 32 bytes from which all identifiers of an image are derived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(pub String);
