//! Files by path become a FAT file system with their names, a label and a serial number: the EFI system partition,
//! and the partition that a Raspberry Pi's ROM reads.
//!
//! ```text
//! paths ─→ folder (a tree, 8.3 names beside the long ones) ─→ places (clusters) ─→ table, folders ─→ extents
//! size ─→ geometry (sectors, clusters, boot sector) ┘
//! ```
//!
//! Nothing is ever deleted, so everything lies in one run of clusters; contents stay where they are and become
//! extents as they are. "The specification" is Microsoft's "FAT: General Overview of On-Disk Format", version 1.03.

mod entry;
mod folder;
mod geometry;
mod name;

use std::{
    collections::BTreeMap,
    io::{self, Seek, SeekFrom, Write},
};

use self::{
    entry::{Entry, Stamp},
    folder::Folder,
    geometry::{FIRST_CLUSTER, Geometry, PAGE},
};
use super::{Disk, Extent, sparse::Sparse};
use crate::{tree::Content, units::Epoch};

/// A FAT file system to write.
#[derive(Debug)]
pub struct Volume<'a> {
    /// Size in bytes.
    pub size: u64,
    /// Where it begins on the disk, in bytes.
    pub offset: u64,
    /// At most 11 characters.
    pub label: &'a str,
    /// What fstab's `UUID=` names.
    pub serial: u32,
    /// Time of every file.
    pub epoch: Epoch,
}

impl Volume<'_> {
    /// Writes `files`; folders on the way to them are made.
    ///
    /// # Errors
    /// They do not fit, or their names are none for FAT or the same but for case.
    pub fn lay_out(&self, files: &BTreeMap<String, Content>) -> io::Result<Disk> {
        let geometry = Geometry::of(self.size)?;
        let label = name::label(self.label)?;
        let mut root = Folder::of(files)?;
        let mut writer = Writer { geometry, next: FIRST_CLUSTER, table: Vec::new(), contents: Vec::new() };
        writer.place_folders(&mut root, label.is_some(), true)?;
        writer.skip_to_page();
        writer.place_files(&mut root)?;
        let mut bytes = Sparse::new(self.size);
        writer.write_table(&mut bytes)?;
        let stamp = Stamp::of(self.epoch);
        let label = label.map(|label| Entry::label(label, stamp));
        writer.write_folder(&mut bytes, &root, label, stamp)?;
        let boot =
            geometry.boot_region(self.serial, label_text(self.label)?, self.offset, writer.used(), writer.next)?;
        bytes.seek(SeekFrom::Start(0))?;
        bytes.write_all(&boot)?;
        let mut disk = bytes.into_disk();
        disk.extents.append(&mut writer.contents);
        Ok(disk)
    }
}

/// The label as the boot sector has it.
fn label_text(label: &str) -> io::Result<[u8; 11]> {
    Ok(name::label(label)?.unwrap_or(*b"NO NAME    "))
}

/// What hands out clusters.
struct Writer {
    geometry: Geometry,
    next: u32,
    /// Runs of clusters in use: first and count.
    table: Vec<(u32, u32)>,
    contents: Vec<Extent>,
}

impl Writer {
    /// Takes the clusters for `bytes` bytes, one after the other.
    fn take(&mut self, bytes: u64) -> io::Result<u32> {
        let count = bytes.div_ceil(u64::from(self.geometry.cluster()));
        let left = u64::from(FIRST_CLUSTER + self.geometry.clusters).saturating_sub(u64::from(self.next));
        match u32::try_from(count).ok().filter(|_| count <= left) {
            Some(count) => {
                let first = self.next;
                self.next += count;
                self.table.push((first, count));
                Ok(first)
            }
            None => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                format!(
                    "there is no space: {bytes} bytes more, and {} left",
                    left * u64::from(self.geometry.cluster())
                ),
            )),
        }
    }

    fn place_folders(&mut self, folder: &mut Folder<'_>, labelled: bool, is_root: bool) -> io::Result<()> {
        let entries = folder.slots() + if is_root { usize::from(labelled) } else { 2 };
        if entries > geometry::MOST_SLOTS {
            return Err(name::invalid("a folder has too many files".into()));
        }
        match self.geometry.root_slots() {
            Some(most) if is_root && entries > most => {
                return Err(name::invalid(format!("the root folder holds {most} entries, not {entries}")));
            }
            Some(_) if is_root => {}
            _ => folder.cluster = self.take((entries * entry::SIZE).max(1) as u64)?,
        }
        folder.folders_mut().try_for_each(|below| self.place_folders(below, false, false))
    }

    /// Contents begin at a page of their own, so that no extent of theirs meets one of the folders before them.
    fn skip_to_page(&mut self) {
        while !self.geometry.offset(self.next).is_multiple_of(PAGE) {
            self.next += 1;
        }
    }

    fn place_files(&mut self, folder: &mut Folder<'_>) -> io::Result<()> {
        for (path, content, cluster) in folder.files_mut() {
            if content.is_empty() {
                continue;
            }
            let named = |error: io::Error| io::Error::new(error.kind(), format!("cannot write `{path}`: {error}"));
            if u32::try_from(content.len()).is_err() {
                return Err(named(io::ErrorKind::FileTooLarge.into()));
            }
            *cluster = self.take(content.len()).map_err(named)?;
            self.contents.push(Extent { offset: self.geometry.offset(*cluster), content: content.clone() });
        }
        folder.folders_mut().try_for_each(|below| self.place_files(below))
    }

    fn used(&self) -> u32 {
        self.table.iter().map(|(_, count)| count).sum()
    }

    /// Both copies of the table: every run is a chain.
    fn write_table(&self, bytes: &mut Sparse) -> io::Result<()> {
        for copy in 0..geometry::TABLES {
            bytes.seek(SeekFrom::Start(self.geometry.table_offset(copy)))?;
            bytes.write_all(&self.geometry.table_head())?;
            for &(first, count) in &self.table {
                bytes.seek(SeekFrom::Start(
                    self.geometry.table_offset(copy) + self.geometry.width() * u64::from(first),
                ))?;
                let mut chain = Vec::new();
                (1..count).for_each(|ahead| chain.extend(self.geometry.link(Some(first + ahead))));
                chain.extend(self.geometry.link(None));
                bytes.write_all(&chain)?;
            }
        }
        Ok(())
    }

    fn write_folder(
        &self,
        bytes: &mut Sparse,
        folder: &Folder<'_>,
        label: Option<Entry>,
        stamp: Stamp,
    ) -> io::Result<()> {
        let mut slots: Vec<u8> = label.map(|label| label.to_bytes().to_vec()).unwrap_or_default();
        slots.extend(folder.to_bytes(stamp));
        bytes.seek(SeekFrom::Start(match folder.cluster {
            0 => self.geometry.root_offset(),
            cluster => self.geometry.offset(cluster),
        }))?;
        bytes.write_all(&slots)?;
        folder.folders().try_for_each(|below| self.write_folder(bytes, below, None, stamp))
    }
}
