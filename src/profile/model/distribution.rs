//! Where packages come from, and how their distribution behaves.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EtcMode;
use crate::rpmdb::Backend;

/// Where packages come from and how their distribution behaves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Its name.
    pub name: String,
    /// Repositories for this architecture, variables filled in.
    pub repositories: Vec<Repository>,
    /// Keys that may sign metadata and packages.
    pub keys: Vec<Key>,
    /// Its habits.
    pub traits: Traits,
    /// Variables added to a scriptlet's environment.
    pub environment: BTreeMap<String, String>,
    /// Scriptlets that are known to fail, and why that does no harm.
    pub allowed_failures: Vec<AllowedFailure>,
    /// Paths that differ between distributions, by use: `grub` (folder of grub.cfg below /boot), `grub-modules`,
    /// `shim`, `grub-efi`, `snapper-config`, `snapper-template`, …; see `profiles/README.md`.
    pub paths: BTreeMap<String, String>,
    /// The first roles that it declares absent, with the reason.
    pub absent: BTreeMap<String, String>,
    /// Folders of installed files that go onto a platform's firmware partition.
    pub boot_files: Vec<BootFiles>,
    /// Programs that a builder of this architecture need not emulate in a root for another.
    pub native: Native,
}

/// Packages whose programs a builder takes for its own architecture where the root is for another: they do the same,
/// in a tenth of the time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Native {
    /// The packages, of which those count that the root has in the same version.
    pub packages: Vec<String>,
    /// Folders below `/usr` that hold this architecture's libraries.
    pub libraries: Vec<String>,
    /// Programs of these packages that are emulated all the same: they tell or need the architecture.
    pub emulated: Vec<String>,
}

/// A package repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repository {
    /// Its name in messages, the lock and `/etc/zypp/repos.d`.
    pub alias: String,
    /// `http:`, `https:`, `file:` or `dir:`; a trailing slash is dropped.
    pub url: String,
    /// 1 is asked first, 99 is the default (zypper's numbers).
    pub priority: u32,
    /// Whether packages are taken from it now.
    pub build: bool,
    /// Whether the image's own zypper has it, and enabled.
    pub on_image: OnImage,
    /// What must be signed.
    pub verify: Verify,
}

/// How a repository is left on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnImage {
    /// Present and used.
    Enabled,
    /// Present, not used.
    Disabled,
    /// Not written.
    #[default]
    Absent,
}

/// Which signatures a repository must have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// `repomd.xml` and, by its checksums, everything below it; packages too where they are signed.
    #[default]
    Repository,
    /// Each package.
    Packages,
    /// None: checksums only.
    Checksums,
}

/// A key, known by its fingerprint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// Primary fingerprint in upper-case hexadecimal.
    pub fingerprint: String,
    /// Where the key itself is: below each repository's address, or a file beside the distribution's.
    pub fetch: String,
}

impl Key {
    /// Whether a fingerprint is this key's; people write them with spaces and in either case.
    pub fn is(&self, fingerprint: &str) -> bool {
        let digits = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
        digits(&self.fingerprint) == digits(fingerprint)
    }
}

/// How a distribution behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traits {
    /// Its GRUB resolves paths from the default subvolume (SUSE's patches).
    pub default_subvolume_boot: bool,
    /// How it expects `/etc`.
    pub etc: EtcMode,
    /// Its rpm's database, until the rpm that is installed says it.
    pub rpmdb: Backend,
    /// Whether its rpm leaves the accounts that packages provide to their scriptlets.
    pub own_accounts: bool,
}

/// A scriptlet that may fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedFailure {
    /// The package's name.
    pub package: String,
    /// `%post`, `%posttrans`, …
    pub scriptlet: String,
    /// Why it does no harm.
    pub reason: String,
}

/// Installed files that the firmware partition gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BootFiles {
    /// A folder or file of the root.
    pub from: String,
    /// A folder on the partition.
    pub to: String,
}
