//! Fields of qcow2, as QEMU's `docs/interop/qcow2.txt` (QEMU 10.0) defines them. Everything is big-endian.

/// `QFI\xfb`.
pub(super) const MAGIC: u32 = 0x5146_49fb;
/// Incompatible feature bit 3: the header names a compression type.
pub(super) const COMPRESSION_TYPE: u64 = 1 << 3;
/// Incompatible feature bit 0: refcounts may be wrong, which does not matter to readers.
pub(super) const DIRTY: u64 = 1 << 0;
/// The compression type "zstd"; 0 is deflate.
pub(super) const ZSTD: u8 = 1;
/// Header with compression type, padded to a multiple of 8.
pub(super) const HEADER_LENGTH: u32 = 112;
/// Header extension: names of feature bits, for the messages of programs that do not know them.
pub(super) const FEATURE_NAMES: u32 = 0x6803_f857;

/// L1 and L2 entries: the cluster is referenced once. Not for compressed clusters.
pub(super) const COPIED: u64 = 1 << 63;
/// L2 entries: the cluster is compressed.
pub(super) const COMPRESSED: u64 = 1 << 62;
/// L2 entries of plain clusters: reads as zeros.
pub(super) const ZERO: u64 = 1;
/// Bits 9 to 55 of an L1 or plain L2 entry: the offset in the file.
pub(super) const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;
/// Unit in which a compressed cluster's length is counted.
pub(super) const SECTOR: u64 = 512;

/// Our cluster size, QEMU's default.
pub(super) const CLUSTER_BITS: u32 = 16;
/// See [`CLUSTER_BITS`].
pub(super) const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Refcounts of 1 << 4 bits: a host cluster holds some thousand compressed ones at most.
pub(super) const REFCOUNT_ORDER: u32 = 4;

/// What a reader needs of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// 2 or 3.
    pub version: u32,
    /// Offset of the backing file's name, or 0.
    pub backing_file: u64,
    /// Clusters are `1 << cluster_bits` bytes.
    pub cluster_bits: u32,
    /// Virtual size in bytes.
    pub size: u64,
    /// 0 when not encrypted.
    pub crypt_method: u32,
    /// Entries of the L1 table.
    pub l1_size: u32,
    /// Its offset.
    pub l1_offset: u64,
    /// Offset of the refcount table.
    pub refcount_table: u64,
    /// Its length in clusters.
    pub refcount_table_clusters: u32,
    /// Features without which the image cannot be read.
    pub incompatible: u64,
    /// 0 deflate, 1 zstd.
    pub compression: u8,
}

impl Header {
    /// Bytes of the header with its extensions: the feature names and the end marker.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        let u32s = |out: &mut Vec<u8>, values: &[u32]| values.iter().for_each(|v| out.extend(v.to_be_bytes()));
        let u64s = |out: &mut Vec<u8>, values: &[u64]| values.iter().for_each(|v| out.extend(v.to_be_bytes()));
        u32s(&mut out, &[MAGIC, self.version]);
        u64s(&mut out, &[self.backing_file]);
        u32s(&mut out, &[0, self.cluster_bits]);
        u64s(&mut out, &[self.size]);
        u32s(&mut out, &[self.crypt_method, self.l1_size]);
        u64s(&mut out, &[self.l1_offset, self.refcount_table]);
        // No snapshots, so neither their number nor their offset.
        u32s(&mut out, &[self.refcount_table_clusters, 0]);
        u64s(&mut out, &[0, self.incompatible, 0, 0]);
        u32s(&mut out, &[REFCOUNT_ORDER, HEADER_LENGTH]);
        u64s(&mut out, &[u64::from(self.compression) << 56]);
        // One name: type 0 (incompatible), bit 3, 46 bytes of text.
        u32s(&mut out, &[FEATURE_NAMES, 48]);
        let mut name = [0; 48];
        name[1] = 3;
        name[2..18].copy_from_slice(b"compression type");
        out.extend(name);
        u64s(&mut out, &[0]);
        out
    }

    /// Reads the header from the first bytes of a file; nothing when they are not qcow2's.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| bytes.get(at..at + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
        let u64_at = |at: usize| Some(u64::from(u32_at(at)?) << 32 | u64::from(u32_at(at + 4)?));
        if u32_at(0)? != MAGIC {
            return None;
        }
        let version = u32_at(4)?;
        let incompatible = if version >= 3 { u64_at(72)? } else { 0 };
        let has_compression = version >= 3 && incompatible & COMPRESSION_TYPE != 0;
        Some(Self {
            version,
            backing_file: u64_at(8)?,
            cluster_bits: u32_at(20)?,
            size: u64_at(24)?,
            crypt_method: u32_at(32)?,
            l1_size: u32_at(36)?,
            l1_offset: u64_at(40)?,
            refcount_table: u64_at(48)?,
            refcount_table_clusters: u32_at(56)?,
            incompatible,
            compression: if has_compression { *bytes.get(104)? } else { 0 },
        })
    }
}

/// Splits the L2 entry of a compressed cluster into the offset of its first byte and the most bytes it may have:
/// the length is in whole sectors, counted from the sector that holds the first byte.
pub(super) fn compressed_extent(entry: u64, cluster_bits: u32) -> (u64, u64) {
    let shift = 62 - (cluster_bits - 8);
    let offset = entry & ((1 << shift) - 1);
    let sectors = ((entry & !COPIED & !COMPRESSED) >> shift) + 1;
    (offset, sectors * SECTOR - offset % SECTOR)
}

/// The L2 entry of a compressed cluster of `length` bytes at `offset`.
pub(super) fn compressed_entry(offset: u64, length: u64) -> u64 {
    let sectors = (offset + length - 1) / SECTOR - offset / SECTOR;
    COMPRESSED | sectors << (62 - (CLUSTER_BITS - 8)) | offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let header = Header {
            version: 3,
            backing_file: 0,
            cluster_bits: CLUSTER_BITS,
            size: 20 << 30,
            crypt_method: 0,
            l1_size: 40,
            l1_offset: 0x50000,
            refcount_table: 0x30000,
            refcount_table_clusters: 1,
            incompatible: COMPRESSION_TYPE,
            compression: ZSTD,
        };
        let bytes = header.to_bytes();
        assert_eq!(Header::parse(&bytes), Some(header));
        assert_eq!(&bytes[100..105], &[0, 0, 0, 112, 1]);
        for cut in 0..72 {
            assert_eq!(Header::parse(&bytes[..cut]), None);
        }
    }

    #[test]
    fn compressed_entries_name_every_sector_they_touch() {
        for (offset, length, most) in [(65536, 512, 512), (65636, 512, 924), (65536 + 511, 1, 1), (70000, 65000, 65168)]
        {
            assert_eq!(compressed_extent(compressed_entry(offset, length), CLUSTER_BITS), (offset, most));
            assert!(most >= length);
        }
    }
}
