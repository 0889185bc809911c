//! How the machine boots.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
