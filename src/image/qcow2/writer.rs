//! Clusters are read and compressed on all cores and written in order by one; the tables follow them, the header is
//! written last.

use std::{io, os::unix::fs::FileExt};

use fs_err::File;
use rayon::prelude::*;
use zstd::bulk::Compressor;

use super::{
    format::{CLUSTER, CLUSTER_BITS, COMPRESSION_TYPE, Header, ZSTD},
    tables::Tables,
};
use crate::disk::{Disk, Reader};

/// zstd's default, as `qemu-img convert -c` has it. Levels from 5 on use a match finder whose result depends on what
/// a context compressed before, which would make the bytes depend on the number of threads.
const LEVEL: i32 = 3;
/// A cluster is stored plain unless it shrinks by a 32nd: reading it back costs more than the room is worth.
const LEAST_GAIN: usize = CLUSTER as usize / 32;
/// Clusters (64 MiB) that are compressed while the ones before them are written. Within a batch compressed clusters
/// come first, so that the unused end of a host cluster is lost once a batch; a constant, since it decides offsets.
const BATCH: usize = 1024;
/// Largest virtual size: QEMU refuses an L1 table above 32 MiB, which is 2 PiB of 64 KiB clusters.
const MAX_SIZE: u64 = (32 << 20) / 8 * (CLUSTER / 8) * CLUSTER;

/// A guest cluster as it will be stored.
enum Cluster {
    Zero,
    Compressed(Vec<u8>),
    Plain(Vec<u8>),
}

/// Writes `disk` into an empty file; `done` hears of the guest bytes written.
///
/// # Errors
/// The size is not a multiple of 512 or above 2 PiB, a content cannot be read, or the file cannot be written.
pub(in crate::image) fn write(disk: &Disk, file: &File, done: &(dyn Fn(u64) + Sync)) -> io::Result<()> {
    if !disk.size.is_multiple_of(512) || disk.size > MAX_SIZE {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("a qcow2 cannot have {} bytes", disk.size)));
    }
    let mut tables = Tables::new();
    let guests = disk.blocks(CLUSTER);
    let mut ready = Vec::new();
    for batch in guests.chunks(BATCH) {
        let (written, next) = rayon::join(|| store(&mut tables, file, &ready), || compress(disk, batch));
        written?;
        done(ready.len() as u64 * CLUSTER);
        ready = next?;
    }
    store(&mut tables, file, &ready)?;
    finish(tables, disk.size, file)
}

fn compress(disk: &Disk, guests: &[u64]) -> io::Result<Vec<(u64, Cluster)>> {
    let worker = || (disk.reader(), Compressor::new(LEVEL), vec![0; CLUSTER as usize]);
    guests
        .par_iter()
        .with_min_len(16)
        .map_init(worker, |(reader, compressor, buffer), &guest| match compressor {
            Ok(compressor) => Ok((guest, compress_one(reader, compressor, buffer, guest)?)),
            Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
        })
        .collect()
}

fn compress_one(
    reader: &mut Reader<'_>,
    compressor: &mut Compressor<'_>,
    buffer: &mut [u8],
    guest: u64,
) -> io::Result<Cluster> {
    reader.read_at(guest * CLUSTER, buffer)?;
    if buffer.iter().all(|&byte| byte == 0) {
        return Ok(Cluster::Zero);
    }
    let packed = compressor.compress(buffer)?;
    let gains = packed.len() + LEAST_GAIN <= buffer.len();
    Ok(if gains { Cluster::Compressed(packed) } else { Cluster::Plain(buffer.to_vec()) })
}

/// Places and writes a batch, compressed clusters first. Neighbours go into one write.
fn store(tables: &mut Tables, file: &File, batch: &[(u64, Cluster)]) -> io::Result<()> {
    let mut run = Run { file, offset: 0, bytes: Vec::new() };
    for (guest, cluster) in batch {
        if let Cluster::Compressed(bytes) = cluster {
            run.push(tables.place_compressed(*guest, bytes.len() as u64), bytes)?;
        }
    }
    for (guest, cluster) in batch {
        if let Cluster::Plain(bytes) = cluster {
            run.push(tables.place_plain(*guest), bytes)?;
        }
    }
    run.flush()
}

/// Bytes that follow one another and are not written yet.
struct Run<'file> {
    file: &'file File,
    offset: u64,
    bytes: Vec<u8>,
}

impl Run<'_> {
    const MOST: usize = 4 << 20;

    fn push(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if offset != self.offset + self.bytes.len() as u64 || self.bytes.len() >= Self::MOST {
            self.flush()?;
            self.offset = offset;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.file().write_all_at(&self.bytes, self.offset)?;
        self.bytes.clear();
        Ok(())
    }
}

fn finish(tables: Tables, size: u64, file: &File) -> io::Result<()> {
    let tables = tables.finish(size);
    file.file().write_all_at(&tables.bytes, tables.offset)?;
    let header = Header {
        version: 3,
        backing_file: 0,
        cluster_bits: CLUSTER_BITS,
        size,
        crypt_method: 0,
        l1_size: tables.l1_size,
        l1_offset: tables.l1_offset,
        refcount_table: tables.refcount_table,
        refcount_table_clusters: tables.refcount_table_clusters,
        incompatible: COMPRESSION_TYPE,
        compression: ZSTD,
    };
    file.file().write_all_at(&header.to_bytes(), 0)
}
