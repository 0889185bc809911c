//! What a checked profile says: the merged, validated words of profile, platform and distribution.
//!
//! Every type here is plain data; [`crate::plan`] carries many of them on unchanged. The text form, with its
//! defaults, conditions and merging, stays in `profile::file`, `profile::merge` and `profile::check`.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Container, Preload};
use crate::{rpmdb::Backend, units::Bytes};

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

/// Subvolumes and partitions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// How `/etc` is kept.
    pub etc: EtcMode,
    /// Subvolumes of `@` beside the root snapshot, `.snapshots` left out; in fstab's order.
    pub subvolumes: Vec<Subvolume>,
    /// Whether `/tmp` is a tmpfs.
    pub tmpfs_tmp: bool,
    /// The writer's zstd level, or nothing.
    pub compression: Option<i32>,
    /// GPT or MBR.
    pub table: Table,
    /// Virtual size of the disk; nothing is content and `free`.
    pub size: Option<Bytes>,
    /// Room beyond the content where no size is given.
    pub free: Bytes,
    /// In disk order.
    pub partitions: Vec<Partition>,
}

/// How `/etc` is kept beside a read-only root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EtcMode {
    /// A nested subvolume of each snapshot.
    #[default]
    Subvolume,
    /// An overlay file system whose upper layer lies in `/var`.
    Overlay,
    /// A folder of the snapshot like any other.
    Plain,
}

/// A subvolume below `@`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subvolume {
    /// Where it is mounted, absolute.
    pub path: String,
    /// Without copy-on-write.
    pub nodatacow: bool,
}

/// The kind of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// GUID partition table.
    Gpt,
    /// Master boot record.
    Mbr,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Its name, in the table where that holds one.
    pub name: String,
    /// What it is for.
    pub kind: PartitionKind,
    /// Its size; nothing is the rest of the disk, for the last one only.
    pub size: Option<Bytes>,
    /// File system label.
    pub label: String,
    /// Where fstab mounts it.
    pub mount: Option<String>,
    /// fstab options.
    pub options: Vec<String>,
    /// Type byte for an MBR.
    pub mbr_type: Option<u8>,
    /// Quota groups on its btrfs.
    pub quota: bool,
}

/// What a partition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionKind {
    /// GRUB's core image for BIOS, without a file system.
    BiosBoot,
    /// The EFI system partition, FAT.
    Esp,
    /// Any other FAT.
    Fat,
    /// The btrfs that holds all subvolumes.
    Root,
}

/// How it boots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// Boot loaders to install.
    pub loaders: Vec<Loader>,
    /// Whether the signed chain (shim) is installed.
    pub secure_boot: bool,
    /// Name of the EFI program on the ESP; nothing is the removable-media name of the architecture.
    pub efi_file: Option<String>,
    /// Seconds that the menu waits.
    pub timeout: u32,
    /// Kernel consoles, the last is /dev/console.
    pub consoles: Vec<String>,
    /// All other kernel arguments in their final order.
    pub arguments: Vec<String>,
    /// Drivers that the initrd must have.
    pub initrd_drivers: Vec<String>,
    /// What the board's own firmware reads from the first partition.
    #[serde(default)]
    pub firmware: Firmware,
}

/// Files that a board's own firmware reads from the first partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firmware {
    /// Names that must be there, `*` for any characters.
    pub require: Vec<String>,
    /// Name → text, for files that no package brings.
    pub write: BTreeMap<String, String>,
}

/// A boot loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// GRUB 2 for BIOS.
    Grub2Bios,
    /// GRUB 2 for UEFI.
    Grub2Efi,
    /// systemd-boot.
    SystemdBoot,
}

/// What the installed system is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// `/etc/hostname`; empty leaves it to DHCP.
    pub hostname: String,
    /// `LANG`.
    pub locale: String,
    /// Name in the tz database.
    pub timezone: String,
    /// Console key map.
    pub keymap: String,
    /// NTP servers; empty leaves the distribution's.
    pub ntp_servers: Vec<String>,
    /// Users by name, root among them.
    pub users: BTreeMap<String, User>,
    /// sshd.
    pub ssh: Ssh,
    /// NetworkManager connections.
    pub connections: Vec<Connection>,
    /// Proxy address for the whole system.
    pub proxy: Option<String>,
    /// Authority certificates in PEM.
    pub ca_certificates: Vec<String>,
    /// Units to enable, by preset.
    pub enable: Vec<String>,
    /// Units to disable, by preset.
    pub disable: Vec<String>,
    /// Units to mask.
    pub mask: Vec<String>,
    /// Kernel parameters below /proc/sys.
    pub sysctl: BTreeMap<String, String>,
    /// Kernel modules to load at boot.
    pub modules: Vec<String>,
    /// SELinux.
    pub selinux: Selinux,
    /// Container runtimes to configure and enable.
    pub container: Container,
    /// First boot.
    pub first_boot: FirstBoot,
    /// Automatic updates.
    pub update: super::Update,
    /// A node of a Kubernetes cluster that kubeadm has not run on.
    #[serde(default)]
    pub kubernetes: Option<super::Kubernetes>,
    /// Where it sends what it logs.
    #[serde(default)]
    pub forward: Option<super::Forward>,
}

/// An account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Supplementary groups.
    pub groups: Vec<String>,
    /// `sudo` rights.
    pub sudo: Sudo,
    /// A crypt(3) hash; nothing locks the password.
    pub password_hash: Option<Secret>,
    /// Public keys, one a line each.
    pub ssh_keys: Vec<String>,
    /// Numeric id, if it must be a certain one.
    pub uid: Option<u32>,
    /// Login shell.
    pub shell: Option<String>,
    /// Whether the user's services run without a login.
    pub linger: bool,
    /// Whether the user has subordinate ids, for containers without root.
    pub subids: bool,
}

/// Whether a user may become root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sudo {
    /// No.
    #[default]
    None,
    /// With the own password.
    Password,
    /// Without being asked.
    Nopasswd,
}

/// Text that must not be shown, or the name under which it is given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Secret {
    /// `{secret: NAME}`: given by `--secret NAME=…`.
    Named(String),
    /// Written out in the profile.
    Literal(String),
}

/// sshd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ssh {
    /// Whether it runs.
    pub enabled: bool,
    /// Value of `PermitRootLogin`: `prohibit-password`, `no` or `yes`.
    pub root_login: String,
    /// Whether passwords are accepted.
    pub password_login: bool,
}

/// A NetworkManager connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// Its name and the keyfile's.
    pub name: String,
    /// `ethernet`, `wifi`, `vlan` or `bridge`.
    pub kind: String,
    /// Interface name.
    pub interface: Option<String>,
    /// Hardware address.
    pub mac: Option<String>,
    /// IPv4.
    pub ipv4: Address,
    /// IPv6.
    pub ipv6: Address,
    /// Wi-Fi network name.
    pub ssid: Option<String>,
    /// Wi-Fi passphrase.
    pub psk: Option<Secret>,
    /// Regulatory country, two letters.
    pub country: Option<String>,
}

/// How a connection gets its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// By DHCP or router advertisement.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// As given.
    Fixed {
        /// Address with prefix length.
        address: String,
        /// Default gateway.
        gateway: Option<String>,
        /// Name servers.
        dns: Vec<String>,
    },
}

/// SELinux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Selinux {
    /// Denies.
    Enforcing,
    /// Only reports.
    Permissive,
    /// Not used.
    #[default]
    Off,
}

/// First boot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstBoot {
    /// `combustion`, `ignition`, `credentials`.
    pub sources: Vec<String>,
    /// Whether the wizard on the console asks at first boot.
    #[serde(default)]
    pub wizard: bool,
    /// Whether the last partition and its file system grow to the disk.
    pub grow: bool,
    /// Whether `/etc/machine-id` says `uninitialized` (else it is empty).
    pub machine_id_uninitialized: bool,
}

/// A folder laid over the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlay {
    /// Its name or path as given.
    pub name: String,
    /// The folder on the host, or nothing for one that is built into the program.
    pub folder: Option<PathBuf>,
    /// The line that names it.
    pub place: Place,
}

/// A single file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraFile {
    /// Absolute path in the root.
    pub path: String,
    /// What is there.
    pub source: FileSource,
    /// Permission bits.
    pub mode: u32,
    /// Owner's name.
    pub owner: String,
    /// Group's name.
    pub group: String,
    /// The line that asks.
    pub place: Place,
}

/// Where a single file's content comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileSource {
    /// The text itself.
    Content(String),
    /// A file on the host.
    Source(PathBuf),
    /// A symbolic link's target.
    Link(String),
}

/// A program of the user's run inside the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// A file on the host.
    pub run: PathBuf,
    /// When.
    pub at: ScriptTime,
    /// The line that asks.
    pub place: Place,
}

/// When a script runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScriptTime {
    /// After the last package.
    Packages,
    /// After rowi's own configuration, before the initrd.
    #[default]
    Last,
}

/// A check of the user's inside the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What the table shows.
    pub name: String,
    /// A shell command; exit status 0 passes.
    pub run: String,
    /// Seconds to keep trying; 0 is once.
    pub within: u64,
    /// `boot`, `update` or `rollback`.
    pub after: String,
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
