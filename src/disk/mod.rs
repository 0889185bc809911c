//! 6a. The bytes: a checked tree and a layout become a [`Disk`], a list of extents whose offsets are known before
//! the first byte is written. It knows nothing of packages and needs no privilege.

mod reader;

pub use reader::Reader;

use crate::tree::Content;

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
}
