//! Subvolumes and partitions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::Bytes;

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
