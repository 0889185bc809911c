//! A master boot record: four partitions, or the one entry that protects a GUID partition table.

use std::io;

use super::{Error, SECTOR, table::Table, u32_at};
use crate::{image::Source, verify::facts::Partition};

const ENTRIES: std::ops::Range<usize> = 446..510;
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Type of the entry that covers a GUID partition table.
const PROTECTIVE: u8 = 0xee;

fn record(source: &Source) -> io::Result<Option<[u8; SECTOR as usize]>> {
    let mut record = [0; SECTOR as usize];
    if source.size() < SECTOR {
        return Ok(None);
    }
    source.read_at(0, &mut record)?;
    Ok(Some(record).filter(|record| record[510..] == SIGNATURE))
}

/// Faults of the record before a GUID partition table.
pub(super) fn protection(source: &Source) -> io::Result<Option<String>> {
    let protected = record(source)?.is_some_and(|record| entries(&record).any(|entry| entry[4] == PROTECTIVE));
    Ok((!protected).then(|| "no protective record precedes the partition table".into()))
}

/// # Errors
/// The image cannot be read or has none.
pub(super) fn read(source: &Source) -> Result<Table, Error> {
    let record = record(source)?.ok_or(Error::NoTable)?;
    let mut table = Table { partitions: Vec::new(), faults: Vec::new(), bios_boot: None };
    if u32_at(&record, 440) == 0 {
        table.faults.push("the disk has no number, by which the kernel would find its root".into());
    }
    for (number, entry) in (1..).zip(entries(&record)).filter(|(_, entry)| entry[4] != 0) {
        if entry[4] == PROTECTIVE {
            table.faults.push("the GUID partition table is damaged, and so is its copy".into());
            continue;
        }
        let name = number.to_string();
        let (first, count) = (u64::from(u32_at(entry, 8)), u64::from(u32_at(entry, 12)));
        if first == 0 || count == 0 || (first + count) * SECTOR > source.size() {
            table.faults.push(format!("partition `{name}` does not lie within the disk"));
            continue;
        }
        table.partitions.push(Partition {
            name,
            offset: first * SECTOR,
            length: count * SECTOR,
            mbr_type: Some(entry[4]),
        });
    }
    if table.partitions.is_empty() { Err(Error::NoTable) } else { Ok(table) }
}

fn entries(record: &[u8; SECTOR as usize]) -> impl Iterator<Item = &[u8]> {
    record[ENTRIES].chunks_exact(16)
}
