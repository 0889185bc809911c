//! Reads qcow2 of version 2 and 3, plain, deflate and zstd clusters. Refused: backing files, encryption, external
//! data files, extended L2 entries, and everything newer.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::{Arc, Mutex, PoisonError},
};

use fs_err::File;

use super::format::{COMPRESSED, COMPRESSION_TYPE, DIRTY, Header, MAGIC, OFFSET, ZERO, ZSTD, compressed_extent};

/// QEMU's limit of the L1 table: 32 MiB.
const MAX_L1_ENTRIES: u32 = (32 << 20) / 8;
/// Our limit of the memory that L2 tables take: enough for a disk of 512 GiB in 64 KiB clusters.
const L2_CACHE: usize = 64 << 20;
/// Our limit of the memory that decompressed clusters take: file systems read a cluster in pieces.
const CLUSTER_CACHE: usize = 8 << 20;
/// Largest zstd window (8 MiB): four times the largest cluster.
const MAX_WINDOW_LOG: u32 = 23;

/// An open qcow2.
#[derive(Debug)]
pub(in crate::image) struct Qcow2 {
    file: File,
    length: u64,
    header: Header,
    l1: Vec<u64>,
    l2: Mutex<HashMap<u64, Arc<Vec<u64>>>>,
    /// Decompressed clusters by L2 entry, oldest first.
    clusters: Mutex<VecDeque<(u64, Arc<Vec<u8>>)>>,
}

fn damaged(fault: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault.into())
}

impl Qcow2 {
    /// Whether a file that begins so is a qcow2.
    pub(in crate::image) fn recognises(first: &[u8]) -> bool {
        first.starts_with(&MAGIC.to_be_bytes())
    }

    /// Opens a file of `length` bytes that begins with `first`.
    ///
    /// # Errors
    /// `InvalidData` when it is damaged or of a kind that is not read.
    pub(in crate::image) fn open(file: File, length: u64, first: &[u8]) -> io::Result<Self> {
        let header = Header::parse(first).ok_or_else(|| damaged("the header is cut off"))?;
        check(&header)?;
        let mut image = Self { file, length, header, l1: Vec::new(), l2: Mutex::default(), clusters: Mutex::default() };
        image.l1 = image.table(header.l1_offset, header.l1_size as usize)?;
        Ok(image)
    }

    pub(in crate::image) fn size(&self) -> u64 {
        self.header.size
    }

    fn cluster_size(&self) -> usize {
        1 << self.header.cluster_bits
    }

    /// Fills `buffer` from `offset`; the caller has checked that it lies on the disk.
    pub(in crate::image) fn read_at(&self, mut offset: u64, mut buffer: &mut [u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            let skip = (offset % self.cluster_size() as u64) as usize;
            let count = buffer.len().min(self.cluster_size() - skip);
            let (part, rest) = buffer.split_at_mut(count);
            self.read_cluster(offset >> self.header.cluster_bits, skip, part)?;
            offset += count as u64;
            buffer = rest;
        }
        Ok(())
    }

    fn read_cluster(&self, guest: u64, skip: usize, part: &mut [u8]) -> io::Result<()> {
        let entry = self.entry(guest)?;
        if entry & COMPRESSED != 0 {
            let cluster = self.decompressed(entry)?;
            part.copy_from_slice(&cluster[skip..skip + part.len()]);
            return Ok(());
        }
        let reads_zero = self.header.version >= 3 && entry & ZERO != 0;
        let host = entry & OFFSET;
        if reads_zero || host == 0 {
            part.fill(0);
            return Ok(());
        }
        // A file may end within its last cluster; QEMU reads zeros there.
        let from = host + skip as u64;
        if host >= self.length {
            return Err(damaged(format!("cluster {guest:#x} lies at {host:#x}, behind the end")));
        }
        let there = (self.length.saturating_sub(from)).min(part.len() as u64) as usize;
        part[there..].fill(0);
        self.file.file().read_exact_at(&mut part[..there], from)
    }

    /// The L2 entry of a guest cluster; 0 when it has no table.
    fn entry(&self, guest: u64) -> io::Result<u64> {
        let entries = self.cluster_size() as u64 / 8;
        let l1 = usize::try_from(guest / entries).ok().and_then(|number| self.l1.get(number));
        let table = l1.ok_or_else(|| damaged("the L1 table is too short for the disk"))? & OFFSET;
        if table == 0 {
            return Ok(0);
        }
        Ok(self.l2_table(table)?[(guest % entries) as usize])
    }

    fn l2_table(&self, offset: u64) -> io::Result<Arc<Vec<u64>>> {
        let mut cache = self.l2.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = cache.get(&offset) {
            return Ok(table.clone());
        }
        let table = Arc::new(self.table(offset, self.cluster_size() / 8)?);
        if cache.len() * self.cluster_size() >= L2_CACHE {
            cache.clear();
        }
        cache.insert(offset, table.clone());
        Ok(table)
    }

    fn table(&self, offset: u64, entries: usize) -> io::Result<Vec<u64>> {
        let end = offset.checked_add(entries as u64 * 8);
        if end.is_none_or(|end| end > self.length) {
            return Err(damaged(format!("a table at {offset:#x} reaches behind the end")));
        }
        let mut bytes = vec![0; entries * 8];
        self.file.file().read_exact_at(&mut bytes, offset)?;
        Ok(bytes.as_chunks().0.iter().map(|&entry| u64::from_be_bytes(entry)).collect())
    }

    fn decompressed(&self, entry: u64) -> io::Result<Arc<Vec<u8>>> {
        {
            let cache = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, cluster)) = cache.iter().find(|(key, _)| *key == entry) {
                return Ok(cluster.clone());
            }
        }
        let cluster = Arc::new(self.decompress(entry)?);
        let mut cache = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        while cache.len() * self.cluster_size() >= CLUSTER_CACHE {
            cache.pop_front();
        }
        cache.push_back((entry, cluster.clone()));
        Ok(cluster)
    }

    fn decompress(&self, entry: u64) -> io::Result<Vec<u8>> {
        let (offset, most) = compressed_extent(entry, self.header.cluster_bits);
        let there = self.length.saturating_sub(offset).min(most);
        // At most 2^(cluster_bits - 8) sectors, so twice the cluster size.
        let mut packed = vec![0; there as usize];
        self.file.file().read_exact_at(&mut packed, offset)?;
        let mut cluster = vec![0; self.cluster_size()];
        let result = if self.header.compression == ZSTD {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&packed[..])?.single_frame();
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            decoder.read_exact(&mut cluster)
        } else {
            flate2::read::DeflateDecoder::new(&packed[..]).read_exact(&mut cluster)
        };
        result.map_err(|error| damaged(format!("the compressed cluster at {offset:#x} is damaged: {error}")))?;
        Ok(cluster)
    }
}

fn check(header: &Header) -> io::Result<()> {
    if !matches!(header.version, 2 | 3) {
        return Err(damaged(format!("version {} is not known", header.version)));
    }
    if header.backing_file != 0 {
        return Err(damaged("it needs a backing file"));
    }
    if header.crypt_method != 0 {
        return Err(damaged("it is encrypted"));
    }
    let unknown = header.incompatible & !(COMPRESSION_TYPE | DIRTY);
    if unknown != 0 {
        return Err(damaged(format!("it uses features {unknown:#x}, which are not known")));
    }
    if header.compression > ZSTD {
        return Err(damaged(format!("compression type {} is not known", header.compression)));
    }
    // QEMU's limits: clusters of 512 bytes to 2 MiB.
    if !(9..=21).contains(&header.cluster_bits) {
        return Err(damaged(format!("a cluster has 2^{} bytes", header.cluster_bits)));
    }
    if header.l1_size > MAX_L1_ENTRIES {
        return Err(damaged(format!("the L1 table has {} entries", header.l1_size)));
    }
    Ok(())
}
