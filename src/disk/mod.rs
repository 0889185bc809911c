//! 6a. The bytes: a checked tree and a layout become a [`Disk`], a list of extents whose offsets are known before
//! the first byte is written. It knows nothing of packages and needs no privilege.
//!
//! ```text
//! tree ─→ layout (cut into subvolumes) ─→ labels ─→ btrfs ┐
//! ESP files ─────────────────────────────────────→ fat   ├─→ extents
//! boot.img, core.img ────────────────────────────→ bios  │
//! partitions ──────────→ partition (places) ─→ gpt | mbr ┘
//! ```

mod bios;
pub mod btrfs;
mod error;
pub mod fat;
mod gpt;
mod labels;
mod lay_out;
mod layout;
mod mbr;
mod partition;
mod reader;
mod sparse;
#[cfg(test)]
pub(crate) mod tests;

pub use bios::BiosError;
pub use error::Error;
pub use lay_out::lay_out;
pub use reader::Reader;

use std::{collections::BTreeMap, io};

use crate::{
    selinux::FileContexts,
    tree::{Content, Tree},
    units::Epoch,
};

/// Everything that a disk is made of, as `system` hands it over.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The whole root, before it is cut into subvolumes.
    pub tree: Tree,
    /// Files of the EFI system partition by path without a leading slash.
    pub esp: BTreeMap<String, Content>,
    /// What BIOS starts.
    pub bios: Option<BiosGrub>,
    /// The labels of its SELinux policy.
    pub labels: Option<FileContexts>,
}

/// GRUB for BIOS, as grub-mkimage makes it and grub-bios-setup would embed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BiosGrub {
    /// `boot.img`, 512 bytes.
    pub boot: Vec<u8>,
    /// `core.img`.
    pub core: Vec<u8>,
}

/// A run of bytes of a disk, file system or partition; what lies between two extents is zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Offset in bytes from the start of the disk, file system or partition that the list describes.
    pub offset: u64,
    /// The bytes.
    pub content: Content,
}

impl Extent {
    /// The first byte after it.
    pub fn end(&self) -> u64 {
        self.offset + self.content.len()
    }
}

/// A disk, file system or partition: extents in ascending order that do not overlap, all below `size`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Size in bytes.
    pub size: u64,
    /// Everything that is not zeros.
    pub extents: Vec<Extent>,
    /// Where gaps between extents may hold anything instead of zeros: a file system that knows what it has written.
    pub gaps: Option<std::ops::Range<u64>>,
}

/// A disk that is one FAT file system with these files, without a partition table.
///
/// # Errors
/// Their names are none for FAT, or a content cannot be read.
pub fn of_files(files: &BTreeMap<String, Content>, epoch: Epoch) -> io::Result<Disk> {
    /// Below it FAT32 has too few clusters.
    const LEAST: u64 = 64 << 20;
    let content: u64 = files.values().map(Content::len).sum();
    let size = (content.saturating_mul(5) / 4).max(LEAST).next_multiple_of(1 << 20);
    fat::Volume { size, offset: 0, label: "ROWI", serial: 1, epoch }.lay_out(files)
}
