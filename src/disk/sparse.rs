//! A file in memory that keeps only what is not zeros: what `fatfs` and `gptman` write to, and what becomes extents.

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek, SeekFrom, Write},
};

use super::{Disk, Extent};
use crate::tree::Content;

/// Unit of what is kept, and of the extents.
const PAGE: u64 = 4096;

/// Bytes of a fixed size, zeros at first.
#[derive(Debug)]
pub(super) struct Sparse {
    size: u64,
    position: u64,
    pages: BTreeMap<u64, Box<[u8; PAGE as usize]>>,
}

impl Sparse {
    pub(super) fn new(size: u64) -> Self {
        Self { size, position: 0, pages: BTreeMap::new() }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Everything that is not zeros, neighbouring pages together.
    pub(super) fn into_disk(self) -> Disk {
        let mut runs: Vec<(u64, Vec<u8>)> = Vec::new();
        for (number, page) in self.pages {
            if page.iter().all(|&byte| byte == 0) {
                continue;
            }
            let offset = number * PAGE;
            let bytes = &page[..PAGE.min(self.size - offset) as usize];
            match runs.last_mut() {
                Some((start, run)) if *start + run.len() as u64 == offset => run.extend_from_slice(bytes),
                _ => runs.push((offset, bytes.to_vec())),
            }
        }
        let extents =
            runs.into_iter().map(|(offset, bytes)| Extent { offset, content: Content::from(bytes) }).collect();
        Disk { size: self.size, extents, gaps: None }
    }

    /// The part of the next `length` bytes that lies in one page: its number, where in it, how long.
    fn piece(&self, length: usize) -> (u64, usize, usize) {
        let within = (self.position % PAGE) as usize;
        let left = usize::try_from(self.size.saturating_sub(self.position)).unwrap_or(usize::MAX);
        (self.position / PAGE, within, length.min(PAGE as usize - within).min(left))
    }
}

impl Read for Sparse {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (number, within, count) = self.piece(buffer.len());
        match self.pages.get(&number) {
            Some(page) => buffer[..count].copy_from_slice(&page[within..within + count]),
            None => buffer[..count].fill(0),
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Write for Sparse {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (number, within, count) = self.piece(bytes.len());
        let bytes = &bytes[..count];
        if self.pages.contains_key(&number) || bytes.iter().any(|&byte| byte != 0) {
            let page = self.pages.entry(number).or_insert_with(|| Box::new([0; PAGE as usize]));
            page[within..within + count].copy_from_slice(bytes);
        }
        self.position += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Sparse {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.size.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_not_zeros_is_kept() {
        let mut file = Sparse::new(3 * PAGE + 100);
        file.seek(SeekFrom::Start(PAGE - 2)).unwrap();
        file.write_all(b"abcd").unwrap();
        file.write_all(&[0; 5000]).unwrap();
        file.seek(SeekFrom::End(-1)).unwrap();
        file.write_all(b"z").unwrap();
        assert!(file.write_all(b"beyond the end").is_err());
        file.seek(SeekFrom::Start(PAGE - 1)).unwrap();
        let mut back = [0; 2];
        file.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"bc");
        let disk = file.into_disk();
        let places: Vec<_> = disk.extents.iter().map(|extent| (extent.offset, extent.content.len())).collect();
        assert_eq!(places, [(0, 2 * PAGE), (3 * PAGE, 100)]);
    }
}
