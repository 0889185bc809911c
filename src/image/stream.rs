//! A disk as one compressed file: xz, which the common flashing programs read, or zstd.
//!
//! Both are cut into blocks of one size that are compressed by themselves, so that the bytes are the same for any number
//! of processors. Of xz always the encoder for several threads, also with one: the other's output differs
//! (`ENGINEERING` I.22).

use std::{
    io::{self, BufWriter, Write},
    thread::available_parallelism,
};

use fs_err::File;
use liblzma::{
    stream::{Check, MtStreamBuilder},
    write::XzEncoder,
};
use rayon::prelude::*;

use crate::disk::{Disk, Reader};

/// Bytes of a disk that are compressed by themselves.
const BLOCK: u64 = 8 << 20;
/// The file system's data is compressed already: a higher one takes longer and gains nothing.
const XZ_PRESET: u32 = 1;
/// As of the qcow2's clusters.
const ZSTD_LEVEL: i32 = 3;

/// One xz stream (xz file format 1.2.1) with blocks of [`BLOCK`] bytes, each with a CRC64.
pub(super) fn xz(disk: &Disk, file: &File, progress: &(dyn Fn(u64) + Sync)) -> io::Result<()> {
    let threads = available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1));
    let mut builder = MtStreamBuilder::new();
    builder.threads(threads).block_size(BLOCK).preset(XZ_PRESET).check(Check::Crc64);
    let mut encoder = XzEncoder::new_stream(BufWriter::new(file), builder.encoder()?);
    let (mut reader, mut buffer) = (disk.reader(), Vec::new());
    for number in 0..disk.size.div_ceil(BLOCK) {
        block(disk, &mut reader, number, &mut buffer)?;
        encoder.write_all(&buffer)?;
        progress(content(disk, number));
    }
    encoder.finish()?.flush()
}

/// zstd frames (RFC 8878), each of [`BLOCK`] bytes and with its checksum.
pub(super) fn zst(disk: &Disk, mut file: &File, progress: &(dyn Fn(u64) + Sync)) -> io::Result<()> {
    let numbers: Vec<u64> = (0..disk.size.div_ceil(BLOCK)).collect();
    for some in numbers.chunks(4 * rayon::current_num_threads()) {
        let frames = some.par_iter().map_init(
            || (disk.reader(), Vec::new()),
            |(reader, buffer), &number| {
                block(disk, reader, number, buffer)?;
                let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
                compressor.include_checksum(true)?;
                let frame = compressor.compress(buffer);
                progress(content(disk, number));
                frame
            },
        );
        for frame in frames.collect::<io::Result<Vec<_>>>()? {
            file.write_all(&frame)?;
        }
    }
    Ok(())
}

/// Reads one block; the last may be short.
fn block(disk: &Disk, reader: &mut Reader<'_>, number: u64, buffer: &mut Vec<u8>) -> io::Result<()> {
    let offset = number * BLOCK;
    // No block is larger than BLOCK, which is a usize.
    buffer.resize((disk.size - offset).min(BLOCK) as usize, 0);
    reader.read_at(offset, buffer)
}

/// Bytes of extents that a block has.
fn content(disk: &Disk, number: u64) -> u64 {
    let (begin, end) = (number * BLOCK, (number + 1) * BLOCK);
    let within = disk.extents_in(begin, BLOCK).iter().map(|extent| extent.end().min(end) - extent.offset.max(begin));
    within.sum()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::disk::Extent;

    /// A disk that ends within a block, with a content over a block's end.
    fn disk() -> Disk {
        let bytes: Vec<u8> =
            (0..300_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let extents = [(4096, 5000), (BLOCK - 100, bytes.len())];
        let extents = extents.map(|(offset, length)| Extent { offset, content: bytes[..length].to_vec().into() });
        Disk { size: 2 * BLOCK + 12_288, extents: extents.into(), gaps: None }
    }

    fn written(
        write: impl Fn(&Disk, &File, &(dyn Fn(u64) + Sync)) -> io::Result<()>,
    ) -> (tempfile::NamedTempFile, u64) {
        let named = tempfile::NamedTempFile::new().unwrap();
        let file = File::from_parts(named.as_file().try_clone().unwrap(), named.path());
        let told = std::sync::atomic::AtomicU64::new(0);
        write(&disk(), &file, &|bytes| {
            told.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        })
        .unwrap();
        (named, told.into_inner())
    }

    #[test]
    fn what_is_compressed_is_the_disk() {
        let disk = disk();
        let mut whole = vec![0; usize::try_from(disk.size).unwrap()];
        disk.reader().read_at(0, &mut whole).unwrap();
        let (file, told) = written(xz);
        let mut found = Vec::new();
        liblzma::read::XzDecoder::new(file.reopen().unwrap()).read_to_end(&mut found).unwrap();
        assert!(found == whole && told == 1_205_000, "{told}");
        let (file, told) = written(zst);
        found.clear();
        zstd::Decoder::new(file.reopen().unwrap()).unwrap().read_to_end(&mut found).unwrap();
        assert!(found == whole && told == 1_205_000, "{told}");
    }

    #[test]
    fn any_number_of_processors_gives_the_same_bytes() {
        let (one, _) = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(|| written(zst));
        let (three, _) = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap().install(|| written(zst));
        assert!(fs_err::read(one.path()).unwrap() == fs_err::read(three.path()).unwrap());
    }
}
