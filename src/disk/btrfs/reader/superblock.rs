//! The super block.

use super::{ReadAt, ReadError, damaged, fields::Fields, sums::SumKind};
use crate::disk::btrfs::format::{MAGIC, SUPER_OFFSETS, SUPER_SIZE, SYS_CHUNK_ARRAY};

/// Features that are read: those of the writer, and MIXED_GROUPS, COMPRESS_LZO, METADATA_UUID and RAID1C34, which
/// change nothing here, as well as SIMPLE_QUOTA (its references are in trees that are not read).
const KNOWN: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100 | 0x200 | 0x400 | 0x800 | 0x1_0000;
/// METADATA_UUID: tree blocks carry another UUID.
const METADATA_UUID: u64 = 0x400;

/// What the first super block says.
#[derive(Clone, Debug)]
pub(super) struct Superblock {
    pub(super) fsid: [u8; 16],
    /// The UUID that tree blocks carry.
    pub(super) block_fsid: [u8; 16],
    pub(super) root: u64,
    pub(super) root_level: u8,
    pub(super) chunk_root: u64,
    pub(super) chunk_root_level: u8,
    pub(super) generation: u64,
    pub(super) chunk_root_generation: u64,
    pub(super) total_bytes: u64,
    pub(super) used_bytes: u64,
    pub(super) root_folder: u64,
    pub(super) device: u64,
    pub(super) sector: u32,
    pub(super) node: u32,
    pub(super) sums: SumKind,
    pub(super) label: String,
    /// Keys and chunks.
    pub(super) system_chunks: Vec<u8>,
}

impl Superblock {
    pub(super) fn read(source: &impl ReadAt) -> Result<Self, ReadError> {
        let mut bytes = vec![0; SUPER_SIZE];
        if source.size() < SUPER_OFFSETS[0] + SUPER_SIZE as u64 {
            return Err(damaged("it is too short"));
        }
        source.read_at(SUPER_OFFSETS[0], &mut bytes)?;
        let head = Self::parse(&bytes)?;
        head.check()?;
        Ok(head)
    }

    fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut magic = Fields::new(&bytes[64..]);
        if magic.u64()? != MAGIC {
            return Err(damaged("there is no super block"));
        }
        let mut kind = Fields::new(&bytes[196..]);
        let sums = SumKind::of(kind.u16()?)?;
        if !sums.matches(&bytes[32..], &bytes[..32]) {
            return Err(damaged("the super block's checksum is wrong"));
        }
        let mut fields = Fields::new(&bytes[32..]);
        let fsid = fields.uuid()?;
        if fields.u64()? != SUPER_OFFSETS[0] {
            return Err(damaged("the super block is not in its place"));
        }
        fields.skip(8 + 8)?; // flags, magic
        let generation = fields.u64()?;
        let (root, chunk_root) = (fields.u64()?, fields.u64()?);
        let log_root = fields.u64()?;
        fields.skip(8)?;
        let (total_bytes, used_bytes, root_folder, devices) =
            (fields.u64()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let (sector, node) = (fields.u32()?, fields.u32()?);
        fields.skip(8)?; // leafsize, stripesize
        let array_size = fields.u32()? as usize;
        let chunk_root_generation = fields.u64()?;
        fields.skip(16)?; // compatible features
        let incompat = fields.u64()?;
        fields.skip(2)?;
        let (root_level, chunk_root_level) = (fields.u8()?, fields.u8()?);
        fields.skip(1)?;
        let device = Fields::new(fields.take(98)?).u64()?;
        let label = fields.take(256)?.split(|&byte| byte == 0).next().unwrap_or_default();
        fields.skip(16)?;
        let metadata_uuid = fields.uuid()?;
        fields.skip(8 + 27 * 8)?;
        let array = fields.take(SYS_CHUNK_ARRAY)?;
        if incompat & !KNOWN != 0 {
            return Err(ReadError::Unsupported(format!("it has unknown features {:#x}", incompat & !KNOWN)));
        }
        if log_root != 0 {
            return Err(ReadError::Unsupported("it was not unmounted: there is a log to replay".into()));
        }
        if devices != 1 {
            return Err(ReadError::Unsupported(format!("it lies on {devices} devices")));
        }
        let system_chunks =
            array.get(..array_size).ok_or_else(|| damaged("the array of system chunks is too long"))?.to_vec();
        Ok(Self {
            fsid,
            block_fsid: if incompat & METADATA_UUID != 0 { metadata_uuid } else { fsid },
            root,
            root_level,
            chunk_root,
            chunk_root_level,
            generation,
            chunk_root_generation,
            total_bytes,
            used_bytes,
            root_folder,
            device,
            sector,
            node,
            sums,
            label: String::from_utf8_lossy(label).into_owned(),
            system_chunks,
        })
    }

    fn check(&self) -> Result<(), ReadError> {
        let sizes = self.sector.is_power_of_two()
            && (4096..=65536).contains(&self.sector)
            && self.node.is_power_of_two()
            && (self.sector..=65536).contains(&self.node);
        if !sizes {
            return Err(damaged("its sector or tree block size is none"));
        }
        Ok(())
    }
}
