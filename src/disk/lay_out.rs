//! Everything at its place: table, boot code, FAT and btrfs become one list of extents.

use std::{collections::BTreeMap, io, path::Path};

use super::{
    Contents, Disk, Error, Extent, bios, btrfs, fat, gpt, layout, mbr,
    partition::{self, Placed},
    sparse::Sparse,
};
use crate::{
    plan::{self, Plan},
    profile::{Partition, PartitionKind, Table},
    report::Report,
};

/// Lays out the whole disk. Compressed contents go into a file in `work`, which must live as long as the result.
///
/// # Errors
/// Something does not fit, a file's name or the plan's layout is none for its file system, or a content cannot be read.
pub fn lay_out(contents: &Contents, plan: &Plan, work: &Path, report: &Report) -> Result<Disk, Error> {
    let rest = partition::rest(&plan.layout)?;
    let root = root(contents, plan, rest, work, report)?;
    let rest = rest.or(root.as_ref().map(|root| root.size));
    let rest = rest.ok_or_else(|| Error::Partitions("neither the disk nor the last partition has a size".into()))?;
    let (placed, size) = partition::place(&plan.layout, rest)?;
    let mut parts = Parts { contents, plan, code: None, root, extents: Vec::new() };
    for placed in &placed {
        parts.add(placed)?;
    }
    if contents.bios.is_some() && parts.code.is_none() {
        return Err(bios::BiosError::Partition.into());
    }
    let table = table(plan, &placed, size, parts.code).map_err(Error::Table)?;
    let mut extents = table.extents;
    extents.append(&mut parts.extents);
    extents.sort_by_key(|extent| extent.offset);
    debug_assert!(extents.windows(2).all(|pair| pair[0].end() <= pair[1].offset));
    let root = placed.iter().find(|placed| placed.partition.kind == PartitionKind::Root);
    let gaps = root.map(|placed| placed.offset..placed.offset + placed.length);
    Ok(Disk { size, extents, gaps })
}

/// The btrfs file system, if a partition is for it.
fn root(
    contents: &Contents,
    plan: &Plan,
    rest: Option<u64>,
    work: &Path,
    report: &Report,
) -> Result<Option<Disk>, Error> {
    let partitions = &plan.layout.partitions;
    let Some(number) = partitions.iter().position(|partition| partition.kind == PartitionKind::Root) else {
        return Ok(None);
    };
    let is_last = number + 1 == partitions.len();
    let size = if is_last { rest } else { partitions[number].size.map(|size| size.0) };
    let fs = layout::file_system(contents, plan, size)?;
    Ok(Some(btrfs::lay_out(&fs, work, report)?))
}

/// The partitions' contents, gathered.
struct Parts<'a> {
    contents: &'a Contents,
    plan: &'a Plan,
    code: Option<[u8; mbr::DISK_ID]>,
    root: Option<Disk>,
    extents: Vec<Extent>,
}

impl Parts<'_> {
    fn add(&mut self, placed: &Placed<'_>) -> Result<(), Error> {
        let disk = match placed.partition.kind {
            PartitionKind::BiosBoot => self.bios(placed)?,
            PartitionKind::Esp | PartitionKind::Fat => self.fat(placed)?,
            PartitionKind::Root => self.root.take(),
        };
        let Some(disk) = disk else { return Ok(()) };
        if disk.size > placed.length {
            return Err(Error::NoRoom { size: placed.length, needed: disk.size });
        }
        self.extents.extend(disk.extents.into_iter().map(|mut extent| {
            extent.offset += placed.offset;
            extent
        }));
        Ok(())
    }

    fn bios(&mut self, placed: &Placed<'_>) -> Result<Option<Disk>, Error> {
        let Some(grub) = &self.contents.bios else { return Ok(None) };
        let embedded = bios::embed(grub, placed.offset, placed.length)?;
        self.code = Some(embedded.code);
        let size = embedded.core.len() as u64;
        let extents = vec![Extent { offset: 0, content: embedded.core.into() }];
        Ok(Some(Disk { size, extents, gaps: None }))
    }

    fn fat(&self, placed: &Placed<'_>) -> Result<Option<Disk>, Error> {
        let Partition { name, label, .. } = placed.partition;
        let none = BTreeMap::new();
        let is_firmware = plan::layout::firmware_partition(self.plan) == Some(name.as_str());
        let volume = fat::Volume {
            size: placed.length,
            offset: placed.offset,
            label,
            serial: plan::layout::fat_serial(self.plan, name),
            epoch: self.plan.epoch,
        };
        let files = if is_firmware { &self.contents.esp } else { &none };
        let disk = volume.lay_out(files).map_err(|source| Error::Fat { partition: name.clone(), source })?;
        Ok(Some(disk))
    }
}

/// The partition table with the boot code.
fn table(plan: &Plan, placed: &[Placed<'_>], size: u64, code: Option<[u8; mbr::DISK_ID]>) -> io::Result<Disk> {
    use std::io::{Seek, SeekFrom, Write};
    let mut bytes = Sparse::new(size);
    match plan.layout.table {
        Table::Gpt => gpt::write(plan, placed, &mut bytes)?,
        Table::Mbr => bytes.write_all(&mbr::record(plan, placed))?,
    }
    bytes.seek(SeekFrom::Start(0))?;
    bytes.write_all(code.as_ref().map_or(&[], |code| code.as_slice()))?;
    Ok(bytes.into_disk())
}
