//! What the installed system is told.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Container, Forward, Kubernetes, Update};

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
    pub update: Update,
    /// A node of a Kubernetes cluster that kubeadm has not run on.
    #[serde(default)]
    pub kubernetes: Option<Kubernetes>,
    /// Where it sends what it logs.
    #[serde(default)]
    pub forward: Option<Forward>,
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
