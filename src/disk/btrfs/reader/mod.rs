//! A btrfs of anyone's becomes subvolumes, trees and contents again; nothing it says is trusted.
//!
//! ```text
//! superblock ─→ chunks (addresses → offsets) ─→ blocks (checked tree blocks) ─→ subvolumes | files | content
//! ```
//!
//! Every checksum is verified, every offset, length, level and count is checked, and what a hostile file system can
//! make us do is bounded: keys ascend strictly, so no walk is longer than the file system.

mod blocks;
mod chunks;
mod content;
mod fields;
mod files;
mod sums;
mod superblock;
mod volumes;

use std::{io, sync::Arc};

use self::{blocks::Cache, chunks::Chunks, superblock::Superblock};
use crate::{
    image,
    report::{Exit, Explain},
    tree::RelPath,
};

/// Bytes at offsets. Several threads may read at once.
pub trait ReadAt: Send + Sync {
    /// Fills `buffer` with what lies at `offset`.
    ///
    /// # Errors
    /// What the host says; `UnexpectedEof` beyond the end.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Number of bytes.
    fn size(&self) -> u64;
}

impl ReadAt for image::Source {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        Self::read_at(self, offset, buffer)
    }

    fn size(&self) -> u64 {
        Self::size(self)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for Arc<T> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        (**self).read_at(offset, buffer)
    }

    fn size(&self) -> u64 {
        (**self).size()
    }
}

/// Part of something: a partition of a disk.
#[derive(Clone, Debug)]
pub struct Window<R> {
    source: R,
    offset: u64,
    length: u64,
}

impl<R: ReadAt> Window<R> {
    /// `length` bytes from `offset` of `source`; what is beyond its end is left out.
    pub fn new(source: R, offset: u64, length: u64) -> Self {
        let length = length.min(source.size().saturating_sub(offset));
        Self { source, offset, length }
    }
}

impl<R: ReadAt> ReadAt for Window<R> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64).filter(|&end| end <= self.length);
        match end {
            Some(_) => self.source.read_at(self.offset + offset, buffer),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn size(&self) -> u64 {
        self.length
    }
}

/// Why a file system cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The host refused, or the image is too short.
    #[error("cannot read the file system")]
    Read(#[from] io::Error),
    /// It is none, or damaged.
    #[error("the btrfs file system is damaged: {0}")]
    Damaged(String),
    /// Of a kind that is not read.
    #[error("the btrfs file system cannot be read: {0}")]
    Unsupported(String),
    /// There is no such file or subvolume.
    #[error("`{0}` does not exist")]
    Missing(String),
}

impl Explain for ReadError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(_) => Exit::Host,
            _ => Exit::Verification,
        }
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Read(error) => error,
            ReadError::Missing(_) => Self::new(io::ErrorKind::NotFound, error),
            _ => Self::new(io::ErrorKind::InvalidData, error),
        }
    }
}

fn damaged(fault: impl Into<String>) -> ReadError {
    ReadError::Damaged(fault.into())
}

/// A subvolume that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubvolumeInfo {
    /// Its number.
    pub id: u64,
    /// Path from the top level.
    pub path: RelPath,
    /// Its UUID; zeros where it has none.
    pub uuid: [u8; 16],
    /// Whether it is read-only.
    pub read_only: bool,
    /// Whether it is mounted when nobody names one.
    pub default: bool,
}

/// A file system that is read. Several threads may read at once.
#[derive(Debug)]
pub struct Reader<R> {
    source: R,
    head: Superblock,
    chunks: Chunks,
    cache: Cache,
}

impl<R: ReadAt> Reader<R> {
    /// Opens what begins at the start of `source`.
    ///
    /// # Errors
    /// It is no btrfs, damaged, on several devices, or with features that are not known.
    pub fn open(source: R) -> Result<Self, ReadError> {
        let head = Superblock::read(&source)?;
        let chunks = Chunks::of_system(&head)?;
        let mut reader = Self { source, head, chunks, cache: Cache::default() };
        reader.chunks = reader.all_chunks()?;
        Ok(reader)
    }

    /// UUID of the file system.
    pub fn fsid(&self) -> [u8; 16] {
        self.head.fsid
    }

    /// Its label; what is not UTF-8 is replaced.
    pub fn label(&self) -> &str {
        &self.head.label
    }

    /// Its size in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.head.total_bytes
    }

    /// Bytes that are used, copies not counted.
    pub fn used_bytes(&self) -> u64 {
        self.head.used_bytes
    }
}
