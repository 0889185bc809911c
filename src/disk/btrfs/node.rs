//! Sorted items become tree blocks: packed from left to right, level upon level, at consecutive addresses.

use std::sync::Arc;

use super::{
    format::{HEADER, HEADER_FLAG_WRITTEN, ITEM, KEY_PTR, Key, MIXED_BACKREF_REV, NODE},
    items::{GENERATION, Item, Put},
};

/// Bytes of a leaf for items and their headers.
pub(super) const LEAF: usize = NODE as usize - HEADER;
/// Longest data of one item.
pub(super) const MAX_ITEM: usize = LEAF - ITEM;
/// Most pointers of a node.
const FANOUT: usize = LEAF / KEY_PTR;

/// How many blocks a tree has: per level from the leaves up, what each block holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    levels: Vec<Vec<usize>>,
}

impl Shape {
    /// The shape of a tree whose items have data of these sizes.
    pub(super) fn of(sizes: impl Iterator<Item = usize>) -> Self {
        let mut leaves = Vec::new();
        let (mut count, mut filled) = (0, 0);
        for size in sizes {
            if count > 0 && filled + ITEM + size > LEAF {
                leaves.push(count);
                (count, filled) = (0, 0);
            }
            count += 1;
            filled += ITEM + size;
        }
        if count > 0 || leaves.is_empty() {
            leaves.push(count);
        }
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().map(Vec::len).filter(|&below| below > 1) {
            let full = std::iter::repeat_n(FANOUT, below / FANOUT);
            levels.push(full.chain(Some(below % FANOUT).filter(|&rest| rest > 0)).collect());
        }
        Self { levels }
    }

    /// Number of blocks.
    pub(super) fn count(&self) -> u64 {
        self.levels.iter().map(|level| level.len() as u64).sum()
    }

    /// Level of the root.
    pub(super) fn level(&self) -> u8 {
        // 493⁷ leaves are beyond any disk.
        (self.levels.len() - 1) as u8
    }

    /// The level of each block, in the order of addresses.
    pub(super) fn block_levels(&self) -> impl Iterator<Item = u8> {
        self.levels.iter().zip(0..).flat_map(|(level, number)| level.iter().map(move |_| number))
    }
}

/// A tree with its place: blocks from `first` on, leaves first, the root last.
#[derive(Clone, Debug)]
pub(super) struct Placed {
    pub(super) owner: u64,
    pub(super) first: u64,
    pub(super) shape: Shape,
}

impl Placed {
    /// Address of the root.
    pub(super) fn root(&self) -> u64 {
        self.end() - NODE
    }

    /// First address after it.
    pub(super) fn end(&self) -> u64 {
        self.first + self.shape.count() * NODE
    }

    /// Address and level of each block.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u64, u8)> {
        (self.first..).step_by(NODE as usize).zip(self.shape.block_levels())
    }
}

/// What every tree block carries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) fsid: [u8; 16],
    pub(super) chunk_tree_uuid: [u8; 16],
}

/// A finished tree block.
pub(super) struct Block {
    pub(super) address: u64,
    pub(super) bytes: Arc<[u8]>,
}

/// Writes the blocks of a tree whose items have the shape that it was placed with.
pub(super) fn write(items: &[Item], placed: &Placed, stamp: &Stamp) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut address = placed.first;
    let mut below: Vec<(Key, u64)> = Vec::new();
    for (level, counts) in placed.shape.levels.iter().enumerate() {
        let mut written = Vec::with_capacity(counts.len());
        let mut start = 0;
        for &count in counts {
            let mut bytes = header(placed.owner, address, level as u8, count, stamp);
            let first = if level == 0 {
                leaf(&mut bytes, &items[start..start + count]);
                items.get(start).map(|item| item.key)
            } else {
                pointers(&mut bytes, &below[start..start + count]);
                below.get(start).map(|pointer| pointer.0)
            };
            written.push((first.unwrap_or_default(), address));
            blocks.push(Block { address, bytes: seal(bytes) });
            start += count;
            address += NODE;
        }
        below = written;
    }
    blocks
}

fn header(owner: u64, address: u64, level: u8, count: usize, stamp: &Stamp) -> Vec<u8> {
    let mut out = Vec::with_capacity(NODE as usize);
    out.put(&[0; 32]); // checksum
    out.put(&stamp.fsid);
    out.put_u64(address);
    out.put_u64(HEADER_FLAG_WRITTEN | MIXED_BACKREF_REV);
    out.put(&stamp.chunk_tree_uuid);
    out.put_u64(GENERATION);
    out.put_u64(owner);
    out.put_u32(count as u32);
    out.put_u8(level);
    out
}

/// Headers from the front, data from the back.
fn leaf(out: &mut Vec<u8>, items: &[Item]) {
    let mut end = LEAF;
    for item in items {
        end -= item.data.len();
        out.put_key(item.key);
        out.put_u32(end as u32);
        out.put_u32(item.data.len() as u32);
    }
    out.resize(HEADER + end, 0);
    for item in items.iter().rev() {
        out.put(&item.data);
    }
}

fn pointers(out: &mut Vec<u8>, below: &[(Key, u64)]) {
    for (key, address) in below {
        out.put_key(*key);
        out.put_u64(*address);
        out.put_u64(GENERATION);
    }
}

/// Fills the block up and sets its checksum.
fn seal(mut bytes: Vec<u8>) -> Arc<[u8]> {
    bytes.resize(NODE as usize, 0);
    let sum = crc32c::crc32c(&bytes[32..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
    bytes.into()
}

/// Items in the order of keys; those of one key, which are lists of names, become one.
pub(super) fn sorted(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_key(|item| item.key);
    items.dedup_by(|next, kept| {
        let same = next.key == kept.key;
        if same {
            kept.data.extend_from_slice(&next.data);
        }
        same
    });
    items
}
