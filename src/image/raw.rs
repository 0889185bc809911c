//! A disk as a sparse file: every extent at its offset, holes between them.

use std::{io, os::unix::fs::FileExt};

use fs_err::File;
use rayon::prelude::*;

use crate::disk::Disk;

/// Bytes that are copied at once.
const PIECE: u64 = 4 << 20;
/// Unit of holes: the block size of the file systems that images are written to.
const BLOCK: usize = 4096;

/// Writes `disk` into an empty file.
///
/// # Errors
/// A content cannot be read, or the file cannot be written.
pub(super) fn write(disk: &Disk, file: &File) -> io::Result<()> {
    file.set_len(disk.size)?;
    disk.blocks(PIECE).into_par_iter().try_for_each_init(
        || (disk.reader(), vec![0; PIECE as usize]),
        |(reader, buffer), piece| {
            let offset = piece * PIECE;
            let length = PIECE.min(disk.size - offset);
            let buffer = &mut buffer[..length as usize];
            reader.read_at(offset, buffer)?;
            write_runs(file, offset, buffer)
        },
    )
}

/// Writes the runs of blocks that are not zeros.
pub(super) fn write_runs(file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
    let is_zero = |block: &[u8]| block.iter().all(|&byte| byte == 0);
    let mut start = 0;
    while start < bytes.len() {
        let blocks = bytes[start..].chunks(BLOCK);
        let hole: usize = blocks.take_while(|block| is_zero(block)).map(<[u8]>::len).sum();
        start += hole;
        let run: usize = bytes[start..].chunks(BLOCK).take_while(|block| !is_zero(block)).map(<[u8]>::len).sum();
        file.file().write_all_at(&bytes[start..start + run], offset + start as u64)?;
        start += run;
    }
    Ok(())
}
