//! btrfs: a file system as a list of subvolumes becomes extents, and an image's bytes become trees again.
//!
//! ```text
//! writer   FileSystem ─→ check ─→ subvolume (inodes) ─→ data (extents, spool) ─→ trees ─→ node (blocks) ─→ Disk
//! reader   bytes ─→ superblock ─→ chunks ─→ blocks ─→ subvolumes, trees, contents
//! ```

mod check;
mod data;
mod format;
mod items;
mod node;
mod quota;
mod reader;
mod space;
mod subvolume;
mod superblock;
#[cfg(test)]
mod tests;
mod trees;
mod writer;

pub use reader::{ReadAt, ReadError, Reader, SubvolumeInfo, Window};
pub use writer::{Error, lay_out};

use crate::{
    tree::{RelPath, Tree},
    units::Epoch,
};

/// A file system to write. It has no other input: the same value gives the same bytes.
#[derive(Clone, Debug)]
pub struct FileSystem {
    /// UUID of the file system.
    pub fsid: [u8; 16],
    /// UUID of the chunk tree.
    pub chunk_tree_uuid: [u8; 16],
    /// UUID of the only device.
    pub device_uuid: [u8; 16],
    /// At most 255 bytes.
    pub label: String,
    /// Size in bytes, a multiple of 4096; nothing is content and `free`.
    pub size: Option<u64>,
    /// Bytes that are left unallocated where no size is given.
    pub free: u64,
    /// zstd level of data, or plain.
    pub compression: Option<i32>,
    /// Quota groups, counted.
    pub quota: bool,
    /// Change and birth time of everything.
    pub epoch: Epoch,
    /// Parents before what is nested in them; the top level is not among them and holds nothing else.
    pub subvolumes: Vec<Subvolume>,
    /// Which of the subvolumes is mounted when nobody names one.
    pub default: usize,
}

/// A subvolume to write.
#[derive(Clone, Debug)]
pub struct Subvolume {
    /// Where it is, from the top level: `@`, `@/.snapshots`, `@/.snapshots/1/snapshot`, `@/var`. Folders between it
    /// and the subvolume that holds it are made, 0755, where that one's tree does not have them.
    pub path: RelPath,
    /// Its UUID.
    pub uuid: [u8; 16],
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether everything in it is no-copy-on-write.
    pub nodatacow: bool,
    /// Its files, the root of the subvolume at the empty path.
    pub tree: Tree,
}
