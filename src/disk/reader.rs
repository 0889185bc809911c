//! Reads a [`Disk`] at any place, as if it lay in one file.

use std::{io, os::unix::fs::FileExt, path::Path, sync::Arc};

use fs_err::File;

use super::{Disk, Extent};
use crate::tree::Content;

/// One reader of a disk; each thread has its own, since it keeps the file open that it read last.
#[derive(Debug)]
pub struct Reader<'disk> {
    disk: &'disk Disk,
    open: Option<(Arc<Path>, File)>,
}

impl Disk {
    /// A reader of this disk.
    pub fn reader(&self) -> Reader<'_> {
        Reader { disk: self, open: None }
    }

    /// Extents that have a byte in `offset .. offset + length`.
    pub fn extents_in(&self, offset: u64, length: u64) -> &[Extent] {
        let first = self.extents.partition_point(|extent| extent.end() <= offset);
        let count = self.extents[first..].partition_point(|extent| extent.offset < offset.saturating_add(length));
        &self.extents[first..first + count]
    }

    /// Numbers of the `unit`-byte blocks that some extent touches, ascending.
    pub fn blocks(&self, unit: u64) -> Vec<u64> {
        let mut blocks = Vec::new();
        let mut next = 0;
        for extent in self.extents.iter().filter(|extent| !extent.content.is_empty()) {
            let first = next.max(extent.offset / unit);
            next = next.max(extent.end().div_ceil(unit));
            blocks.extend(first..next);
        }
        blocks
    }
}

impl Reader<'_> {
    /// Fills `buffer` with what lies at `offset`; what no extent has is zeros.
    ///
    /// # Errors
    /// A stored content cannot be read or is shorter than it was.
    pub fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(0);
        let end = offset + buffer.len() as u64;
        for extent in self.disk.extents_in(offset, buffer.len() as u64) {
            let from = extent.offset.max(offset);
            let to = extent.end().min(end);
            // Both lie within the buffer, whose length is a usize.
            let part = &mut buffer[(from - offset) as usize..(to - offset) as usize];
            self.read_content(&extent.content, from - extent.offset, part)?;
        }
        Ok(())
    }

    fn read_content(&mut self, content: &Content, skip: u64, part: &mut [u8]) -> io::Result<()> {
        match content {
            Content::Held(bytes) => {
                let start = usize::try_from(skip).map_err(io::Error::other)?;
                part.copy_from_slice(&bytes[start..start + part.len()]);
                Ok(())
            }
            Content::Stored { path, offset, .. } => {
                let file = self.file(path)?;
                file.file().read_exact_at(part, offset + skip).map_err(|error| short(path, error))
            }
        }
    }

    fn file(&mut self, path: &Arc<Path>) -> io::Result<&File> {
        if self.open.as_ref().is_none_or(|(at, _)| at != path) {
            self.open = Some((path.clone(), File::open(path.as_ref())?));
        }
        match &self.open {
            Some((_, file)) => Ok(file),
            None => unreachable!("set on the line above"),
        }
    }
}

fn short(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot read `{}`: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn gaps_are_zeros_and_stored_parts_are_found() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let stored = Content::Stored { path: file.path().into(), offset: 2, length: 5 };
        let disk = Disk {
            size: 40,
            extents: vec![
                Extent { offset: 3, content: "abcd".into() },
                Extent { offset: 7, content: stored },
                Extent { offset: 30, content: "z".into() },
            ],
            gaps: None,
        };
        let mut all = [1; 40];
        disk.reader().read_at(0, &mut all).unwrap();
        assert_eq!(&all[..13], b"\0\0\0abcd23456\0");
        assert_eq!(all[30], b'z');
        let mut part = [1; 4];
        disk.reader().read_at(6, &mut part).unwrap();
        assert_eq!(&part, b"d234");
        assert_eq!(disk.blocks(8), [0, 1, 3]);
        assert_eq!(disk.blocks(4), [0, 1, 2, 7]);
    }
}
