//! Tree blocks: read, verified, kept for a while, and walked in the order of keys.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
};

use super::{ReadAt, ReadError, Reader, damaged, fields::Fields};
use crate::disk::btrfs::format::{HEADER, ITEM, KEY_PTR, Key, kind, tree};

/// Highest level of a block (`BTRFS_MAX_LEVEL` − 1).
const TOP_LEVEL: u8 = 7;
/// Blocks that are kept. Ours: 32 MiB of 16 KiB each.
const KEPT: usize = 2048;

/// Blocks that were read, emptied when full.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<BTreeMap<u64, Arc<[u8]>>>);

/// A tree's root.
#[derive(Clone, Copy, Debug)]
pub(super) struct TreeRoot {
    pub(super) address: u64,
    pub(super) level: u8,
    pub(super) generation: u64,
    /// Its first key, where it is not a root but a block below one.
    pub(super) first: Option<Key>,
}

/// What is called with each item.
pub(super) type Visit<'a> = dyn FnMut(Key, &[u8]) -> Result<(), ReadError> + 'a;

/// A walk and how far it came.
struct Walk<'a, 'v> {
    range: RangeInclusive<Key>,
    /// First key of the leaf that was met last.
    leaf: Option<Key>,
    visit: &'a mut Visit<'v>,
}

/// The heads of a block's items or pointers, each beginning with its key.
#[derive(Clone, Copy)]
struct Heads<'a> {
    bytes: &'a [u8],
    size: usize,
}

impl<'a> Heads<'a> {
    fn len(&self) -> usize {
        self.bytes.len() / self.size
    }

    fn get(&self, number: usize) -> Fields<'a> {
        Fields::new(&self.bytes[number * self.size..][..self.size])
    }

    fn key(&self, number: usize) -> Result<Key, ReadError> {
        self.get(number).key()
    }

    /// Number of keys that are below or, where `equal`, at `key`. Keys that do not ascend give some number.
    fn before(&self, key: &Key, equal: bool) -> Result<usize, ReadError> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let at = self.key(middle)?;
            if at < *key || (equal && at == *key) { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

impl<R: ReadAt> Reader<R> {
    pub(super) fn chunk_root(&self) -> TreeRoot {
        let head = &self.head;
        TreeRoot {
            address: head.chunk_root,
            level: head.chunk_root_level,
            generation: head.chunk_root_generation,
            first: None,
        }
    }

    pub(super) fn root_tree(&self) -> TreeRoot {
        TreeRoot { address: self.head.root, level: self.head.root_level, generation: self.head.generation, first: None }
    }

    /// The root of a tree by its id, with the whole ROOT_ITEM.
    pub(super) fn find_tree(&self, id: u64) -> Result<(TreeRoot, Vec<u8>), ReadError> {
        let range = Key::new(id, kind::ROOT_ITEM, 0)..=Key::new(id, kind::ROOT_ITEM, u64::MAX);
        let mut found = None;
        self.walk(&self.root_tree(), range, &mut |_, data| {
            found.get_or_insert_with(|| data.to_vec());
            Ok(())
        })?;
        let item = found.ok_or_else(|| ReadError::Missing(format!("tree {id}")))?;
        Ok((tree_root(&item)?, item))
    }

    /// The tree of checksums, where there is one.
    pub(super) fn sum_tree(&self) -> Result<TreeRoot, ReadError> {
        self.find_tree(tree::CSUM).map(|(root, _)| root)
    }

    /// Calls `visit` with every item of `range`, ascending.
    pub(super) fn walk(
        &self,
        root: &TreeRoot,
        range: RangeInclusive<Key>,
        visit: &mut Visit<'_>,
    ) -> Result<(), ReadError> {
        if root.level > TOP_LEVEL {
            return Err(damaged("a tree is too high"));
        }
        self.walk_block(root, &mut Walk { range, leaf: None, visit })
    }

    /// `at` is the block with the level that it must have: one less than its parent's, so that this ends.
    fn walk_block(&self, at: &TreeRoot, walk: &mut Walk<'_, '_>) -> Result<(), ReadError> {
        let block = self.block(at)?;
        let count = Fields::new(&block[96..]).u32()? as usize;
        let size = if at.level == 0 { ITEM } else { KEY_PTR };
        let heads = count.checked_mul(size).and_then(|length| block[HEADER..].get(..length));
        let heads = heads.ok_or_else(|| damaged("a tree block has too many items"))?;
        let heads = Heads { bytes: heads, size };
        // A block that is not a root has its parent's key, and the first keys of leaves ascend strictly over a walk.
        // So no leaf is met twice and every block leads to one: however pointers are twisted, a walk ends.
        let first = if count == 0 { None } else { Some(heads.key(0)?) };
        if (first.is_none() && at.level > 0) || (at.first.is_some() && at.first != first) {
            return Err(damaged("a tree block does not begin with its parent's key"));
        }
        if at.level > 0 {
            return self.walk_node(at.level, heads, walk);
        }
        if first.is_some() && walk.leaf >= first {
            return Err(damaged("keys do not ascend"));
        }
        walk.leaf = first;
        walk_leaf(&block[HEADER..], heads, walk)
    }

    fn walk_node(&self, level: u8, heads: Heads<'_>, walk: &mut Walk<'_, '_>) -> Result<(), ReadError> {
        let start = heads.before(walk.range.start(), true)?.saturating_sub(1);
        let mut last = None;
        for number in start..heads.len() {
            let mut fields = heads.get(number);
            let key = fields.key()?;
            if last >= Some(key) {
                return Err(damaged("keys do not ascend"));
            }
            if key > *walk.range.end() && number > 0 {
                break;
            }
            last = Some(key);
            let (address, generation) = (fields.u64()?, fields.u64()?);
            self.walk_block(&TreeRoot { address, level: level - 1, generation, first: Some(key) }, walk)?;
        }
        Ok(())
    }

    /// A verified block.
    fn block(&self, at: &TreeRoot) -> Result<Arc<[u8]>, ReadError> {
        let kept = self.cache.0.lock().unwrap_or_else(PoisonError::into_inner).get(&at.address).cloned();
        let block = match kept {
            Some(block) => block,
            None => self.read_block(at.address)?,
        };
        let mut fields = Fields::new(&block[80..]);
        let generation = fields.u64()?;
        fields.skip(12)?; // owner, count
        if fields.u8()? != at.level || generation != at.generation {
            return Err(damaged(format!("the tree block at {:#x} is not the one that is meant", at.address)));
        }
        Ok(block)
    }

    fn read_block(&self, address: u64) -> Result<Arc<[u8]>, ReadError> {
        let mut bytes = vec![0; self.head.node as usize];
        self.read_address(address, &mut bytes)?;
        let mut fields = Fields::new(&bytes[32..]);
        let right = self.head.sums.matches(&bytes[32..], &bytes[..32])
            && fields.uuid()? == self.head.block_fsid
            && fields.u64()? == address;
        if !right {
            return Err(damaged(format!("the tree block at {address:#x} fails its checksum")));
        }
        let block: Arc<[u8]> = bytes.into();
        let mut cache = self.cache.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= KEPT {
            cache.clear();
        }
        cache.insert(address, Arc::clone(&block));
        Ok(block)
    }
}

/// Where a ROOT_ITEM says that its tree is.
pub(super) fn tree_root(item: &[u8]) -> Result<TreeRoot, ReadError> {
    let mut fields = Fields::new(item);
    fields.skip(160)?; // inode
    let generation = fields.u64()?;
    fields.skip(8)?;
    let address = fields.u64()?;
    fields.skip(238 - 184)?;
    Ok(TreeRoot { address, level: fields.u8()?, generation, first: None })
}

fn walk_leaf(body: &[u8], heads: Heads<'_>, walk: &mut Walk<'_, '_>) -> Result<(), ReadError> {
    let mut last = None;
    for number in heads.before(walk.range.start(), false)?..heads.len() {
        let mut fields = heads.get(number);
        let (key, offset, size) = (fields.key()?, fields.u32()? as usize, fields.u32()? as usize);
        if last >= Some(key) {
            return Err(damaged("keys do not ascend"));
        }
        last = Some(key);
        if !walk.range.contains(&key) {
            break;
        }
        let end = offset.checked_add(size);
        let data = end.filter(|_| offset >= heads.bytes.len()).and_then(|end| body.get(offset..end));
        (walk.visit)(key, data.ok_or_else(|| damaged("an item lies outside its tree block"))?)?;
    }
    Ok(())
}
