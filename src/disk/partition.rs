//! Sizes become places: every partition at a mebibyte, the last one to the end of the disk.

use super::{Error, gpt, mbr};
use crate::profile::{Layout, Partition, Table};

/// Alignment of partitions and of the disk: a multiple of every erase block and RAID stripe worth the name.
pub(super) const ALIGN: u64 = 1 << 20;

/// Largest size of anything: what a qcow2 holds, 2 PiB.
const LARGEST: u64 = 1 << 51;

fn aligned(bytes: u64) -> u64 {
    bytes.min(LARGEST).next_multiple_of(ALIGN)
}

/// A partition and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'a> {
    pub(super) partition: &'a Partition,
    /// First byte.
    pub(super) offset: u64,
    /// Length in bytes.
    pub(super) length: u64,
}

impl Placed<'_> {
    pub(super) fn end(&self) -> u64 {
        self.offset + self.length
    }
}

/// Bytes after the last partition: the copy of the table, and what keeps the disk a multiple of [`ALIGN`].
fn behind(table: Table) -> u64 {
    match table {
        Table::Gpt => gpt::AT_END.next_multiple_of(ALIGN),
        Table::Mbr => 0,
    }
}

/// Size of the partition that takes the rest of a disk of the layout's size; nothing where the content decides.
///
/// # Errors
/// The others leave nothing of it.
pub(super) fn rest(layout: &Layout) -> Result<Option<u64>, Error> {
    let Some(last) = layout.partitions.last() else {
        return Err(Error::Partitions("there is none".into()));
    };
    if let Some(size) = last.size {
        return Ok(Some(aligned(size.0)));
    }
    let Some(size) = layout.size else { return Ok(None) };
    let size = size.0 / ALIGN * ALIGN;
    let others = fixed(layout).fold(0, u64::saturating_add);
    let needed = others.saturating_add(ALIGN + behind(layout.table));
    match size.checked_sub(needed) {
        Some(rest) if rest > 0 => Ok(Some(rest)),
        _ => Err(Error::NoRoom { size, needed }),
    }
}

/// Lengths of all partitions but the last.
fn fixed(layout: &Layout) -> impl Iterator<Item = u64> {
    let but_last = layout.partitions.split_last().map_or(&[][..], |(_, others)| others);
    but_last.iter().map(|partition| aligned(partition.size.unwrap_or_default().0))
}

/// Places all partitions, the last with `rest` bytes, and says how large the disk is.
///
/// # Errors
/// There are more than the table holds, one has no size, or the disk of the layout's size is too small.
pub(super) fn place(layout: &Layout, rest: u64) -> Result<(Vec<Placed<'_>>, u64), Error> {
    let most = most(layout.table);
    if layout.partitions.len() > most {
        return Err(Error::Partitions(format!("the table holds {most}, not {}", layout.partitions.len())));
    }
    let lengths = fixed(layout).chain([aligned(rest)]);
    let mut offset = ALIGN;
    let mut placed = Vec::with_capacity(layout.partitions.len());
    for (partition, length) in layout.partitions.iter().zip(lengths) {
        if length == 0 {
            return Err(Error::Partitions(format!("`{}` has no size", partition.name)));
        }
        placed.push(Placed { partition, offset, length });
        offset += length; // at most 128 times LARGEST
    }
    let needed = offset.saturating_add(behind(layout.table));
    let size = layout.size.map_or(needed, |size| size.0 / ALIGN * ALIGN);
    if size < needed {
        return Err(Error::NoRoom { size, needed });
    }
    fits_table(layout.table, &placed)?;
    Ok((placed, size))
}

fn most(table: Table) -> usize {
    match table {
        Table::Gpt => gpt::MOST,
        Table::Mbr => mbr::MOST,
    }
}

fn fits_table(table: Table, placed: &[Placed<'_>]) -> Result<(), Error> {
    let end = match table {
        Table::Gpt => u64::MAX,
        Table::Mbr => u64::from(u32::MAX) * gpt::SECTOR,
    };
    match placed.iter().find(|placed| placed.end() > end) {
        Some(placed) => Err(Error::Partitions(format!("`{}` ends beyond 2 TiB", placed.partition.name))),
        None => Ok(()),
    }
}
