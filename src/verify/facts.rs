//! What an image is, as far as the rules ask: partitions, the ESP's files, subvolumes and their trees.

use std::{collections::BTreeMap, fmt, io};

use crate::tree::{RelPath, Tree};

/// Everything that the rules look at, read from the image's bytes alone.
#[derive(Debug, Default)]
pub struct Facts {
    /// Partitions in table order.
    pub partitions: Vec<Partition>,
    /// Faults of the partition table itself, as sentences: a damaged backup, overlapping partitions.
    pub table_faults: Vec<String>,
    /// What BIOS starts, where there is a partition for it.
    pub bios: Option<Bios>,
    /// Files of the first FAT partition by upper-case path without a leading slash.
    pub esp: BTreeMap<String, Vec<u8>>,
    /// Bytes of that partition.
    pub esp_size: u64,
    /// UUID of the btrfs file system.
    pub fsid: [u8; 16],
    /// Subvolumes, the top level left out.
    pub subvolumes: Vec<Subvolume>,
}

/// A partition as its table describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Name in the table.
    pub name: String,
    /// First byte.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// Its type in a master boot record; nothing in another table.
    pub mbr_type: Option<u8>,
}

/// GRUB's two images for BIOS, as far as each names the next. Sectors have 512 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bios {
    /// Whether the first sector has code.
    pub has_code: bool,
    /// Whether the partition has some.
    pub has_core: bool,
    /// Where the first sector's code reads on.
    pub core_sector: u64,
    /// Where the BIOS boot partition begins.
    pub partition_sector: u64,
    /// Where the code there reads on.
    pub next_sector: u64,
    /// How many sectors that are.
    pub next_count: u64,
    /// Sectors of the partition.
    pub partition_sectors: u64,
}

/// A subvolume with what is in it.
pub struct Subvolume {
    /// Path from the top level.
    pub path: RelPath,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether it is the default subvolume.
    pub default: bool,
    /// Its files; a nested subvolume is an empty folder.
    pub tree: Tree,
    /// Regular files and folders that are copied on write.
    pub copied_on_write: Vec<RelPath>,
    /// Reads a regular file of it.
    pub read: Box<Read>,
}

/// Reads a regular file by its path within a subvolume.
pub type Read = dyn Fn(&RelPath) -> io::Result<Vec<u8>> + Send + Sync;

impl fmt::Debug for Subvolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subvolume({}, {} files)", self.path, self.tree.len())
    }
}

impl Facts {
    /// The subvolume at `path` from the top level.
    pub fn subvolume(&self, path: &str) -> Option<&Subvolume> {
        let path = RelPath::new(path).ok()?;
        self.subvolumes.iter().find(|subvolume| subvolume.path == path)
    }

    /// The default subvolume: what the kernel mounts as `/`.
    pub fn root(&self) -> Option<&Subvolume> {
        self.subvolumes.iter().find(|subvolume| subvolume.default)
    }

    /// The subvolume that holds `path` of the running system, and the path within it: `/etc/fstab` may lie in the
    /// root snapshot or in a nested `etc`, `/var/lib/x` in `@/var`.
    pub fn locate(&self, path: &str) -> Option<(&Subvolume, RelPath)> {
        let path = RelPath::new(path).ok()?;
        self.subvolumes
            .iter()
            .filter_map(|subvolume| {
                let mounted = self.mounted(subvolume)?;
                Some((subvolume, path.strip(&mounted)?, mounted))
            })
            .max_by_key(|(_, _, mounted)| mounted.as_bytes().len())
            .map(|(subvolume, rest, _)| (subvolume, rest))
    }

    /// Where the running system sees a subvolume; nothing for `@`, which only holds others.
    pub fn mounted(&self, subvolume: &Subvolume) -> Option<RelPath> {
        let root = self.root()?;
        if subvolume.default {
            return Some(RelPath::ROOT);
        }
        let home = if subvolume.path.starts_with(&root.path) { root.path.clone() } else { RelPath::new("@").ok()? };
        subvolume.path.strip(&home).filter(|at| !at.is_root())
    }

    /// The text of a regular file of the running system, or nothing when there is none.
    pub fn text(&self, path: &str) -> Option<String> {
        let (subvolume, path) = self.locate(path)?;
        subvolume.tree.get(&path)?;
        (subvolume.read)(&path).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether the running system has something at `path`.
    pub fn exists(&self, path: &str) -> bool {
        self.locate(path).is_some_and(|(subvolume, path)| subvolume.tree.get(&path).is_some())
    }
}
