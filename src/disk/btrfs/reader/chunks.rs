//! Chunks: the addresses that trees use become offsets on the device.

use std::collections::BTreeMap;

use super::{ReadAt, ReadError, Reader, damaged, fields::Fields, superblock::Superblock};
use crate::disk::btrfs::format::{FIRST_CHUNK_TREE, Key, kind};

/// Profiles whose bytes lie in one piece: DUP, RAID1, RAID1C3, RAID1C4. Others cut them into stripes.
const WHOLE: u64 = 0x10 | 0x20 | 0x200 | 0x400;
/// All profiles.
const PROFILES: u64 = 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400;
/// Most chunks that are kept. Ours: 1 PiB in chunks of 1 GiB.
const MOST: usize = 1 << 20;

/// Highest address. Ours: steps beyond the end of a chunk stay numbers.
const TOP: u64 = 1 << 62;

/// Chunks by address.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks(BTreeMap<u64, Chunk>);

#[derive(Clone, Copy, Debug)]
struct Chunk {
    length: u64,
    offset: u64,
}

impl Chunks {
    /// Those that the super block itself names.
    pub(super) fn of_system(head: &Superblock) -> Result<Self, ReadError> {
        let mut chunks = Self::default();
        let mut fields = Fields::new(&head.system_chunks);
        while !fields.is_empty() {
            let key = fields.key()?;
            chunks.add(key, &mut fields, head.device)?;
        }
        Ok(chunks)
    }

    fn add(&mut self, key: Key, fields: &mut Fields<'_>, device: u64) -> Result<(), ReadError> {
        if (key.object, key.kind) != (FIRST_CHUNK_TREE, kind::CHUNK_ITEM) {
            return Err(damaged("there is something else among the chunks"));
        }
        let length = fields.u64()?;
        fields.skip(16)?; // owner, stripe length
        let flags = fields.u64()?;
        fields.skip(12)?;
        let stripes = fields.u16()?;
        fields.skip(2)?;
        let (owner, offset) = (fields.u64()?, fields.u64()?);
        fields.skip(16)?;
        fields.skip(32 * usize::from(stripes.saturating_sub(1)))?;
        if flags & PROFILES & !WHOLE != 0 {
            return Err(ReadError::Unsupported(format!("a chunk is striped ({flags:#x})")));
        }
        let beyond = key.offset.checked_add(length).is_none_or(|end| end > TOP);
        if stripes == 0 || owner != device || beyond || self.0.len() >= MOST {
            return Err(damaged("a chunk is none"));
        }
        self.0.insert(key.offset, Chunk { length, offset });
        Ok(())
    }

    /// The offset of `length` bytes at `address`, which must lie in one chunk.
    pub(super) fn offset(&self, address: u64, length: u64) -> Result<u64, ReadError> {
        let outside = || damaged(format!("address {address:#x} is in no chunk"));
        let (start, chunk) = self.0.range(..=address).next_back().ok_or_else(outside)?;
        let skip = address - start;
        if skip.checked_add(length).is_none_or(|end| end > chunk.length) {
            return Err(outside());
        }
        chunk.offset.checked_add(skip).ok_or_else(outside)
    }
}

impl<R: ReadAt> Reader<R> {
    /// The chunks of the chunk tree, which the system chunks lead to.
    pub(super) fn all_chunks(&self) -> Result<Chunks, ReadError> {
        let first = Key::new(FIRST_CHUNK_TREE, kind::CHUNK_ITEM, 0);
        let last = Key::new(FIRST_CHUNK_TREE, kind::CHUNK_ITEM, u64::MAX);
        let mut chunks = self.chunks.clone();
        self.walk(&self.chunk_root(), first..=last, &mut |key, data| {
            chunks.add(key, &mut Fields::new(data), self.head.device)
        })?;
        Ok(chunks)
    }

    /// Fills `buffer` with what lies at an address.
    pub(super) fn read_address(&self, address: u64, buffer: &mut [u8]) -> Result<(), ReadError> {
        let offset = self.chunks.offset(address, buffer.len() as u64)?;
        Ok(self.source.read_at(offset, buffer)?)
    }
}
