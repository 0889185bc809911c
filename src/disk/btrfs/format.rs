//! On-disk constants, keys and checksums.
//!
//! Everything is little-endian. Names and values are those of Linux 6.12, `include/uapi/linux/btrfs_tree.h` and
//! `fs/btrfs/fs.h`, in the kernel's spelling without its prefix.

/// Size of a sector: the unit of data.
pub(super) const SECTOR: u64 = 4096;
/// Size of a tree block.
pub(super) const NODE: u64 = 16384;
/// Unit of striping, of chunks and of what a super block takes from allocation.
pub(super) const STRIPE: u64 = 64 << 10;

/// Where super blocks are, where the device is that long (`btrfs_sb_offset`).
pub(super) const SUPER_OFFSETS: [u64; 3] = [64 << 10, 64 << 20, 256 << 30];
/// Size of a super block.
pub(super) const SUPER_SIZE: usize = 4096;
/// Its magic, `_BHRfS_M`.
pub(super) const MAGIC: u64 = 0x4d5f_5366_5248_425f;
/// Size of the array of system chunks in it.
pub(super) const SYS_CHUNK_ARRAY: usize = 2048;

/// Size of a tree block's header.
pub(super) const HEADER: usize = 101;
/// Size of an item's header in a leaf.
pub(super) const ITEM: usize = 25;
/// Size of a pointer in a node above the leaves.
pub(super) const KEY_PTR: usize = 33;

/// A tree block or super block that is on disk.
pub(super) const HEADER_FLAG_WRITTEN: u64 = 1;
/// Revision of back references in a header's flags.
pub(super) const MIXED_BACKREF_REV: u64 = 1 << 56;

/// Objects: trees.
pub(super) mod tree {
    pub(in super::super) const ROOT: u64 = 1;
    pub(in super::super) const EXTENT: u64 = 2;
    pub(in super::super) const CHUNK: u64 = 3;
    pub(in super::super) const DEV: u64 = 4;
    pub(in super::super) const FS: u64 = 5;
    pub(in super::super) const CSUM: u64 = 7;
    pub(in super::super) const QUOTA: u64 = 8;
    pub(in super::super) const UUID: u64 = 9;
    pub(in super::super) const FREE_SPACE: u64 = 10;
    pub(in super::super) const DATA_RELOC: u64 = 9u64.wrapping_neg();
}

/// The folder of the root tree, which names the default subvolume.
pub(super) const ROOT_TREE_DIR: u64 = 6;
/// First subvolume, and the root folder of each.
pub(super) const FIRST_FREE: u64 = 256;
/// Last subvolume's id that can be.
pub(super) const LAST_FREE: u64 = 256u64.wrapping_neg();
/// Object of all chunks.
pub(super) const FIRST_CHUNK_TREE: u64 = 256;
/// Object of device items.
pub(super) const DEV_ITEMS: u64 = 1;
/// The only device.
pub(super) const DEVICE_ID: u64 = 1;
/// Object of checksums.
pub(super) const EXTENT_CSUM: u64 = 10u64.wrapping_neg();

/// Kinds of items.
pub(super) mod kind {
    pub(in super::super) const INODE_ITEM: u8 = 1;
    pub(in super::super) const INODE_REF: u8 = 12;
    pub(in super::super) const INODE_EXTREF: u8 = 13;
    pub(in super::super) const XATTR_ITEM: u8 = 24;
    pub(in super::super) const DIR_ITEM: u8 = 84;
    pub(in super::super) const DIR_INDEX: u8 = 96;
    pub(in super::super) const EXTENT_DATA: u8 = 108;
    pub(in super::super) const EXTENT_CSUM: u8 = 128;
    pub(in super::super) const ROOT_ITEM: u8 = 132;
    pub(in super::super) const ROOT_BACKREF: u8 = 144;
    pub(in super::super) const ROOT_REF: u8 = 156;
    pub(in super::super) const EXTENT_ITEM: u8 = 168;
    pub(in super::super) const METADATA_ITEM: u8 = 169;
    pub(in super::super) const TREE_BLOCK_REF: u8 = 176;
    pub(in super::super) const EXTENT_DATA_REF: u8 = 178;
    pub(in super::super) const BLOCK_GROUP_ITEM: u8 = 192;
    pub(in super::super) const FREE_SPACE_INFO: u8 = 198;
    pub(in super::super) const FREE_SPACE_EXTENT: u8 = 199;
    pub(in super::super) const DEV_EXTENT: u8 = 204;
    pub(in super::super) const DEV_ITEM: u8 = 216;
    pub(in super::super) const CHUNK_ITEM: u8 = 228;
    pub(in super::super) const QGROUP_STATUS: u8 = 240;
    pub(in super::super) const QGROUP_INFO: u8 = 242;
    pub(in super::super) const QGROUP_LIMIT: u8 = 244;
    pub(in super::super) const UUID_SUBVOL: u8 = 251;
}

/// Incompatible features: MIXED_BACKREF, DEFAULT_SUBVOL, COMPRESS_ZSTD, BIG_METADATA, EXTENDED_IREF,
/// SKINNY_METADATA and NO_HOLES. Nothing newer: Linux 5.14 and GRUB 2.06 read it.
pub(super) const INCOMPAT: u64 = 0x1 | 0x2 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200;
/// Features that a reader may ignore: FREE_SPACE_TREE and FREE_SPACE_TREE_VALID.
pub(super) const COMPAT_RO: u64 = 0x1 | 0x2;

/// Types and profiles of block groups.
pub(super) mod group {
    pub(in super::super) const DATA: u64 = 0x1;
    pub(in super::super) const SYSTEM: u64 = 0x2;
    pub(in super::super) const METADATA: u64 = 0x4;
    pub(in super::super) const DUP: u64 = 0x20;
}

/// Flags of inodes.
pub(super) mod inode {
    pub(in super::super) const NODATASUM: u64 = 0x1;
    pub(in super::super) const NODATACOW: u64 = 0x2;
    pub(in super::super) const ROOT_ITEM_INIT: u64 = 1 << 31;
}

/// Types in folder entries.
pub(super) mod entry {
    pub(in super::super) const FILE: u8 = 1;
    pub(in super::super) const DIR: u8 = 2;
    pub(in super::super) const CHRDEV: u8 = 3;
    pub(in super::super) const BLKDEV: u8 = 4;
    pub(in super::super) const FIFO: u8 = 5;
    pub(in super::super) const SOCK: u8 = 6;
    pub(in super::super) const SYMLINK: u8 = 7;
    pub(in super::super) const XATTR: u8 = 8;
}

/// A subvolume that cannot be changed.
pub(super) const SUBVOL_RDONLY: u64 = 1;
/// An extent of data.
pub(super) const EXTENT_FLAG_DATA: u64 = 1;
/// An extent that is a tree block.
pub(super) const EXTENT_FLAG_TREE_BLOCK: u64 = 2;
/// File extent within its item.
pub(super) const FILE_EXTENT_INLINE: u8 = 0;
/// File extent of its own.
pub(super) const FILE_EXTENT_REG: u8 = 1;
/// Compression of a file extent.
pub(super) const COMPRESS_ZSTD: u8 = 3;
/// Most bytes of a file in one compressed extent.
pub(super) const MAX_COMPRESSED: u64 = 128 << 10;
/// Longest file name.
pub(super) const NAME_MAX: usize = 255;
/// Most names of one inode.
pub(super) const LINK_MAX: usize = 65535;
/// Most bytes of a label, without its zero.
pub(super) const LABEL_MAX: usize = 255;

/// A key: trees are sorted by it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) object: u64,
    pub(super) kind: u8,
    pub(super) offset: u64,
}

impl Key {
    pub(super) const fn new(object: u64, kind: u8, offset: u64) -> Self {
        Self { object, kind, offset }
    }
}

/// The kernel's `crc32c(seed, bytes)`: without the inversions before and after.
fn raw_crc32c(seed: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!seed, bytes)
}

/// `btrfs_name_hash`: the offset of a name's DIR_ITEM or XATTR_ITEM.
pub(super) fn name_hash(name: &[u8]) -> u64 {
    raw_crc32c(!1, name).into()
}

/// `btrfs_extref_hash`: the offset of a name's INODE_EXTREF.
pub(super) fn extref_hash(parent: u64, name: &[u8]) -> u64 {
    // The kernel's seed has 32 bits; higher ones of the folder's number do not count.
    raw_crc32c(parent as u32, name).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hash_as_everywhere() {
        // Of every file system that mkfs.btrfs made: the entry `default` of the root tree.
        assert_eq!(name_hash(b"default"), 2_378_154_706);
    }
}
