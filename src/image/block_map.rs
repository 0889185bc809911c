//! The map of a disk's blocks that a flashing program has to write, with their checksums: `.bmap`, format 2.0
//! (bmaptool 3.6, `BmapCreate.py`, and the comments of the files that it writes).
//!
//! What lies between extents is zeros, and has to be written: a card's old content would else be taken for a partition
//! table's or a FAT's. Only a file system that knows what it has written may keep what it finds in its gaps
//! ([`Disk::gaps`]).

use std::{fmt::Write, io, ops::Range};

use rayon::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::{cache::Digest, disk::Disk};

/// Bytes of a block.
const BLOCK: u64 = 4096;
/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;

/// The map, as XML.
///
/// # Errors
/// A content cannot be read.
pub fn block_map(disk: &Disk) -> io::Result<String> {
    let ranges = mapped(disk);
    let sums = ranges.par_iter().map(|range| sum(disk, range)).collect::<io::Result<Vec<_>>>()?;
    let blocks: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let mut text = format!(
        "<?xml version=\"1.0\" ?>\n<bmap version=\"2.0\">\n    <ImageSize> {size} </ImageSize>\n    \
         <BlockSize> {BLOCK} </BlockSize>\n    <BlocksCount> {count} </BlocksCount>\n    \
         <MappedBlocksCount> {blocks} </MappedBlocksCount>\n    <ChecksumType> sha256 </ChecksumType>\n    \
         <BmapFileChecksum> {UNKNOWN} </BmapFileChecksum>\n    <BlockMap>\n",
        size = disk.size,
        count = disk.size.div_ceil(BLOCK),
    );
    for (range, sum) in ranges.iter().zip(sums) {
        let (first, last) = (range.start, range.end - 1);
        let place = if first == last { first.to_string() } else { format!("{first}-{last}") };
        // A String takes everything.
        let _ = writeln!(text, "        <Range chksum=\"{sum}\"> {place} </Range>");
    }
    text += "    </BlockMap>\n</bmap>\n";
    let own = Digest::of(text.as_bytes()).to_string();
    Ok(text.replacen(UNKNOWN, &own, 1))
}

/// The file's own checksum while it is made, and while it is checked.
const UNKNOWN: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Blocks to write, in ascending order; neighbours are one.
fn mapped(disk: &Disk) -> Vec<Range<u64>> {
    let blocks = |from: u64, to: u64| from / BLOCK..to.div_ceil(BLOCK);
    let gaps = disk.gaps.clone().unwrap_or(disk.size..disk.size);
    let inside = disk.extents.iter().filter(|extent| extent.end() > gaps.start && extent.offset < gaps.end);
    let all = std::iter::once(blocks(0, gaps.start))
        .chain(inside.map(|extent| blocks(extent.offset, extent.end())))
        .chain(std::iter::once(blocks(gaps.end, disk.size)));
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for range in all.filter(|range| !range.is_empty()) {
        match ranges.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => ranges.push(range),
        }
    }
    ranges
}

fn sum(disk: &Disk, range: &Range<u64>) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let (mut reader, mut buffer) = (disk.reader(), Vec::new());
    let (mut at, end) = (range.start * BLOCK, (range.end * BLOCK).min(disk.size));
    while at < end {
        buffer.resize((end - at).min(PIECE) as usize, 0);
        reader.read_at(at, &mut buffer)?;
        hasher.update(&buffer);
        at += buffer.len() as u64;
    }
    Ok(Digest::finish(hasher))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Extent;

    #[test]
    fn zeros_are_left_out_where_they_do_not_matter() {
        let extent = |offset: u64, length: usize| Extent { offset, content: vec![1; length].into() };
        let extents =
            vec![extent(0, 512), extent(40 * BLOCK + 100, 5000), extent(43 * BLOCK, 10), extent(60 * BLOCK, 1)];
        let disk = Disk { size: 100 * BLOCK, extents, gaps: Some(20 * BLOCK..90 * BLOCK) };
        assert_eq!(mapped(&disk), [0..20, 40..42, 43..44, 60..61, 90..100]);
        let whole = mapped(&Disk { gaps: None, ..disk.clone() });
        assert_eq!((whole.len(), whole[0].clone()), (1, 0..100));
        let text = block_map(&disk).unwrap();
        assert!(
            text.contains("<MappedBlocksCount> 34 </MappedBlocksCount>") && text.contains("> 60 </Range>"),
            "{text}"
        );
        let own = text.split("Checksum> ").nth(1).unwrap()[..64].to_owned();
        assert_eq!(Digest::of(text.replace(&own, UNKNOWN).as_bytes()).to_string(), own);
    }
}
