//! Values become the bytes of items, each a structure of `btrfs_tree.h` field by field.

use super::format::{
    COMPRESS_ZSTD, DEVICE_ID, EXTENT_FLAG_DATA, EXTENT_FLAG_TREE_BLOCK, FILE_EXTENT_INLINE, FILE_EXTENT_REG,
    FIRST_CHUNK_TREE, FIRST_FREE, Key, NODE, SECTOR, STRIPE, entry, group, inode, kind, tree,
};
use crate::tree::Time;

/// The only generation: of the super block, every root, every tree block and every inode. mkfs.btrfs ends near it.
pub(super) const GENERATION: u64 = 8;

/// One item of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) key: Key,
    pub(super) data: Vec<u8>,
}

impl Item {
    pub(super) fn new(key: Key, data: Vec<u8>) -> Self {
        Self { key, data }
    }
}

/// Appends fields in the byte order of the disk.
pub(super) trait Put {
    fn put(&mut self, bytes: &[u8]);

    fn put_u8(&mut self, value: u8) {
        self.put(&[value]);
    }
    fn put_u16(&mut self, value: u16) {
        self.put(&value.to_le_bytes());
    }
    fn put_u32(&mut self, value: u32) {
        self.put(&value.to_le_bytes());
    }
    fn put_u64(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }
    fn put_key(&mut self, key: Key) {
        self.put_u64(key.object);
        self.put_u8(key.kind);
        self.put_u64(key.offset);
    }
    fn put_time(&mut self, time: Time) {
        self.put(&time.seconds.to_le_bytes());
        self.put_u32(time.nanos);
    }
    /// The length of a name that `check` found to be at most 65535 bytes.
    fn put_length(&mut self, bytes: &[u8]) {
        self.put_u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// `btrfs_inode_item`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inode {
    pub(super) size: u64,
    /// Bytes of its extents, unpacked.
    pub(super) bytes: u64,
    pub(super) links: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// With the bits of its type.
    pub(super) mode: u32,
    /// Major << 20 | minor, as the kernel holds it.
    pub(super) device: u64,
    pub(super) flags: u64,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
}

impl Inode {
    /// An empty folder of root's.
    pub(super) fn folder(time: Time) -> Self {
        Self {
            size: 0,
            bytes: 0,
            links: 1,
            uid: 0,
            gid: 0,
            mode: 0o040_755,
            device: 0,
            flags: 0,
            mtime: time,
            ctime: time,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        out.put_u64(GENERATION);
        out.put_u64(GENERATION); // transid
        out.put_u64(self.size);
        out.put_u64(self.bytes);
        out.put_u64(0); // block_group
        for number in [self.links, self.uid, self.gid, self.mode] {
            out.put_u32(number);
        }
        out.put_u64(self.device);
        out.put_u64(self.flags);
        out.put_u64(0); // sequence
        out.put(&[0; 32]);
        for time in [self.mtime, self.ctime, self.mtime, self.ctime] {
            out.put_time(time); // access, change, modification, birth
        }
        out
    }
}

/// One name in an INODE_REF.
pub(super) fn inode_ref(index: u64, name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(10 + name.len());
    out.put_u64(index);
    out.put_length(name);
    out.put(name);
    out
}

/// One name in an INODE_EXTREF.
pub(super) fn inode_extref(parent: u64, index: u64, name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(18 + name.len());
    out.put_u64(parent);
    out.put(&inode_ref(index, name));
    out
}

/// One entry of a DIR_ITEM or DIR_INDEX.
pub(super) fn dir_item(location: Key, name: &[u8], kind: u8) -> Vec<u8> {
    named(location, name, &[], kind)
}

/// One attribute of an XATTR_ITEM.
pub(super) fn xattr(name: &[u8], value: &[u8]) -> Vec<u8> {
    named(Key::default(), name, value, entry::XATTR)
}

fn named(location: Key, name: &[u8], value: &[u8], kind: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(30 + name.len() + value.len());
    out.put_key(location);
    out.put_u64(GENERATION); // transid
    out.put_length(value);
    out.put_length(name);
    out.put_u8(kind);
    out.put(name);
    out.put(value);
    out
}

fn file_extent(unpacked: u64, compression: u8, kind: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(53);
    out.put_u64(GENERATION);
    out.put_u64(unpacked);
    out.put_u8(compression);
    out.put_u8(0); // encryption
    out.put_u16(0); // other encoding
    out.put_u8(kind);
    out
}

/// A small file or a link's target.
pub(super) fn inline_extent(content: &[u8]) -> Vec<u8> {
    let mut out = file_extent(content.len() as u64, 0, FILE_EXTENT_INLINE);
    out.put(content);
    out
}

/// `bytes` bytes of a file that lie, as one whole extent, in `disk_bytes` at `address`.
pub(super) fn regular_extent(address: u64, disk_bytes: u64, bytes: u64, packed: bool) -> Vec<u8> {
    let mut out = file_extent(bytes, if packed { COMPRESS_ZSTD } else { 0 }, FILE_EXTENT_REG);
    out.put_u64(address);
    out.put_u64(disk_bytes);
    out.put_u64(0); // offset into the extent
    out.put_u64(bytes);
    out
}

/// `btrfs_root_item` of any tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root {
    pub(super) address: u64,
    pub(super) level: u8,
    pub(super) nodes: u64,
    /// Set where it is a tree of files.
    pub(super) files: Option<Files>,
}

/// What the item of a tree of files says besides.
#[derive(Clone, Copy, Debug)]
pub(super) struct Files {
    pub(super) flags: u64,
    pub(super) uuid: [u8; 16],
    pub(super) time: Time,
}

impl Root {
    pub(super) fn encode(&self) -> Vec<u8> {
        let time = self.files.map(|files| files.time).unwrap_or_default();
        let flags = if self.files.is_some() { inode::ROOT_ITEM_INIT } else { 0 };
        // The kernel never looks at this inode but for its flags; sizes as mkfs.btrfs has them.
        let mut out = Inode { size: 3, bytes: NODE, flags, ..Inode::folder(time) }.encode();
        out.put_u64(GENERATION);
        out.put_u64(if self.files.is_some() { FIRST_FREE } else { 0 }); // root_dirid
        out.put_u64(self.address);
        out.put_u64(0); // byte_limit
        out.put_u64(self.nodes * NODE);
        out.put_u64(0); // last_snapshot
        out.put_u64(self.files.map_or(0, |files| files.flags));
        out.put_u32(1); // refs
        out.put_key(Key::default()); // drop_progress
        out.put_u8(0); // drop_level
        out.put_u8(self.level);
        out.put_u64(GENERATION); // generation_v2: equal, or what follows is ignored
        out.put(&self.files.map_or([0; 16], |files| files.uuid));
        out.put(&[0; 32]); // parent and received UUID
        out.put_u64(if self.files.is_some() { GENERATION } else { 0 }); // ctransid
        out.put_u64(if self.files.is_some() { GENERATION } else { 0 }); // otransid
        out.put(&[0; 16]); // stransid, rtransid
        out.put_time(time);
        out.put_time(time);
        out.put(&[0; 24]); // stime, rtime
        out.put(&[0; 64]);
        out
    }
}

/// ROOT_REF and ROOT_BACKREF.
pub(super) fn root_ref(folder: u64, index: u64, name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(18 + name.len());
    out.put_u64(folder);
    out.put(&inode_ref(index, name));
    out
}

/// A tree block's METADATA_ITEM with its one reference.
pub(super) fn metadata_item(owner: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(33);
    out.put_u64(1); // refs
    out.put_u64(GENERATION);
    out.put_u64(EXTENT_FLAG_TREE_BLOCK);
    out.put_u8(kind::TREE_BLOCK_REF);
    out.put_u64(owner);
    out
}

/// A data extent's EXTENT_ITEM with its one reference.
pub(super) fn data_item(root: u64, inode: u64, offset: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(53);
    out.put_u64(1); // refs
    out.put_u64(GENERATION);
    out.put_u64(EXTENT_FLAG_DATA);
    out.put_u8(kind::EXTENT_DATA_REF);
    out.put_u64(root);
    out.put_u64(inode);
    out.put_u64(offset);
    out.put_u32(1); // count
    out
}

/// BLOCK_GROUP_ITEM.
pub(super) fn block_group(used: u64, flags: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(24);
    out.put_u64(used);
    out.put_u64(FIRST_CHUNK_TREE);
    out.put_u64(flags);
    out
}

/// CHUNK_ITEM; `stripes` are offsets on the device, one or two.
pub(super) fn chunk(length: u64, flags: u64, stripes: &[u64], device: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + 32 * stripes.len());
    out.put_u64(length);
    out.put_u64(tree::EXTENT); // owner
    out.put_u64(STRIPE);
    out.put_u64(flags);
    let alignment = if flags & group::SYSTEM != 0 { SECTOR } else { STRIPE };
    out.put_u32(alignment as u32); // io_align
    out.put_u32(alignment as u32); // io_width
    out.put_u32(SECTOR as u32);
    out.put_u16(stripes.len() as u16);
    out.put_u16(1); // sub_stripes
    for offset in stripes {
        out.put_u64(DEVICE_ID);
        out.put_u64(*offset);
        out.put(device);
    }
    out
}

/// DEV_EXTENT.
pub(super) fn dev_extent(address: u64, length: u64, chunk_tree_uuid: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48);
    out.put_u64(tree::CHUNK);
    out.put_u64(FIRST_CHUNK_TREE);
    out.put_u64(address);
    out.put_u64(length);
    out.put(chunk_tree_uuid);
    out
}

/// DEV_ITEM, as it stands in the chunk tree and in the super block.
pub(super) fn dev_item(size: u64, used: u64, device: &[u8; 16], fsid: &[u8; 16]) -> Vec<u8> {
    let mut out = Vec::with_capacity(98);
    out.put_u64(DEVICE_ID);
    out.put_u64(size);
    out.put_u64(used);
    for _ in 0..3 {
        out.put_u32(SECTOR as u32); // io_align, io_width, sector_size
    }
    out.put(&[0; 8 + 8 + 8 + 4 + 1 + 1]); // type, generation, start_offset, dev_group, seek_speed, bandwidth
    out.put(device);
    out.put(fsid);
    out
}

/// FREE_SPACE_INFO of a group with `extents` free runs, kept as extents.
pub(super) fn free_space_info(extents: u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(8);
    out.put_u32(extents);
    out.put_u32(0);
    out
}
