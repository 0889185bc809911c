//! The super block: where everything begins.

use super::{
    FileSystem,
    format::{
        COMPAT_RO, DEVICE_ID, HEADER_FLAG_WRITTEN, INCOMPAT, MAGIC, NODE, ROOT_TREE_DIR, SECTOR, SUPER_SIZE,
        SYS_CHUNK_ARRAY,
    },
    items::{self, GENERATION, Put},
    node::Placed,
    space::Group,
    trees,
};

/// What it says besides what the file system is asked to be.
pub(super) struct Super<'a> {
    pub(super) fs: &'a FileSystem,
    pub(super) size: u64,
    pub(super) root: &'a Placed,
    pub(super) chunk_root: &'a Placed,
    /// The system group first.
    pub(super) groups: &'a [Group],
}

impl Super<'_> {
    /// `btrfs_super_block` for the copy at `offset`.
    pub(super) fn encode(&self, offset: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(SUPER_SIZE);
        out.put(&[0; 32]); // checksum
        out.put(&self.fs.fsid);
        out.put_u64(offset);
        out.put_u64(HEADER_FLAG_WRITTEN);
        out.put_u64(MAGIC);
        out.put_u64(GENERATION);
        out.put_u64(self.root.root());
        out.put_u64(self.chunk_root.root());
        out.put(&[0; 16]); // log_root, log_root_transid
        out.put_u64(self.size);
        out.put_u64(self.groups.iter().map(|group| group.used).sum());
        out.put_u64(ROOT_TREE_DIR);
        out.put_u64(DEVICE_ID); // num_devices: one
        out.put_u32(SECTOR as u32);
        out.put_u32(NODE as u32);
        out.put_u32(NODE as u32); // leafsize
        out.put_u32(SECTOR as u32); // stripesize
        let system = self.system_chunks();
        out.put_u32(system.len() as u32);
        out.put_u64(GENERATION); // chunk_root_generation
        out.put_u64(0); // compatible features
        out.put_u64(COMPAT_RO);
        out.put_u64(INCOMPAT);
        out.put_u16(0); // crc32c
        out.put_u8(self.root.shape.level());
        out.put_u8(self.chunk_root.shape.level());
        out.put_u8(0); // log_root_level
        let used = trees::allocated(self.groups);
        out.put(&items::dev_item(self.size, used, &self.fs.device_uuid, &self.fs.fsid));
        out.put(&padded(self.fs.label.as_bytes(), 256));
        out.put_u64(0); // cache_generation: there is a free space tree
        out.put_u64(GENERATION); // uuid_tree_generation
        out.put(&[0; 16 + 8 + 27 * 8]); // metadata_uuid, nr_global_roots, reserved
        out.put(&padded(&system, SYS_CHUNK_ARRAY));
        out.resize(SUPER_SIZE, 0); // no backup roots
        let sum = crc32c::crc32c(&out[32..]);
        out[..4].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn system_chunks(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(system) = self.groups.first() {
            out.put_key(trees::chunk_key(system));
            out.put(&trees::chunk(self.fs, system));
        }
        out
    }
}

fn padded(bytes: &[u8], length: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    out.resize(length, 0);
    out
}
