//! A GUID partition table: both copies, their checksums, and whether they agree. UEFI 2.10, section 5.3.

use std::{collections::BTreeSet, io};

use super::{Error, SECTOR, mbr, u32_at, u64_at};
use crate::{image::Source, verify::facts::Partition};

/// Most bytes of entries. Ours: UEFI asks for 16 KiB, and everybody makes those.
const MOST: u64 = 1 << 20;
/// Bytes of an entry: this, or more of them.
const ENTRY: u32 = 128;
/// Type of GRUB's partition for BIOS, as it is on disk.
const BIOS_BOOT: [u8; 16] = *b"Hah!IdontNeedEFI";

/// What a table says.
pub(super) struct Table {
    pub(super) partitions: Vec<Partition>,
    pub(super) faults: Vec<String>,
    /// Which of the partitions is GRUB's for BIOS.
    pub(super) bios_boot: Option<usize>,
}

/// One copy, its checksums verified.
#[derive(PartialEq, Eq)]
struct Copy {
    disk: [u8; 16],
    other: u64,
    usable: (u64, u64),
    entry: usize,
    entries: Vec<u8>,
}

/// # Errors
/// The image cannot be read, or has no table of any kind.
pub(super) fn read(source: &Source) -> Result<Table, Error> {
    let mut faults = Vec::new();
    let last = (source.size() / SECTOR).saturating_sub(1);
    let primary = copy(source, 1)?;
    let backup = copy(source, last)?;
    let table = match (primary, backup) {
        (Err(_), Err(_)) => return mbr::read(source),
        (Ok(table), Err(fault)) => {
            faults.push(format!("the copy of the partition table at the end of the disk {fault}"));
            table
        }
        (Err(fault), Ok(table)) => {
            faults.push(format!("the partition table {fault}"));
            table
        }
        (Ok(table), Ok(backup)) => {
            if table.other != last || backup.other != 1 {
                faults.push("the copies of the partition table do not name each other".into());
            }
            if (table.disk, &table.entries) != (backup.disk, &backup.entries) {
                faults.push("the copies of the partition table differ".into());
            }
            table
        }
    };
    faults.extend(mbr::protection(source)?);
    Ok(partitions(&table, last, faults))
}

/// Reads the copy whose header is at `sector`; a fault completes "the table …".
fn copy(source: &Source, sector: u64) -> io::Result<Result<Copy, String>> {
    let mut header = [0; SECTOR as usize];
    if source.size() < 3 * SECTOR {
        return Ok(Err("is missing".into()));
    }
    source.read_at(sector * SECTOR, &mut header)?;
    let size = u32_at(&header, 12) as usize;
    if &header[..8] != b"EFI PART" {
        return Ok(Err("is missing".into()));
    }
    let sum = u32_at(&header, 16);
    header[16..20].fill(0);
    if !(92..=header.len()).contains(&size) || crc32fast::hash(&header[..size]) != sum {
        return Ok(Err("has a header that is damaged".into()));
    }
    if u64_at(&header, 24) != sector {
        return Ok(Err("lies elsewhere than it says".into()));
    }
    let (at, count, entry) = (u64_at(&header, 72), u32_at(&header, 80), u32_at(&header, 84));
    let length = u64::from(count) * u64::from(entry);
    let fits = at.checked_mul(SECTOR).and_then(|at| at.checked_add(length)).is_some_and(|end| end <= source.size());
    if entry < ENTRY || !entry.is_multiple_of(ENTRY) || length > MOST || !fits {
        return Ok(Err("has entries that cannot be".into()));
    }
    let mut entries = vec![0; length as usize];
    source.read_at(at * SECTOR, &mut entries)?;
    if crc32fast::hash(&entries) != u32_at(&header, 88) {
        return Ok(Err("has entries that are damaged".into()));
    }
    let usable = (u64_at(&header, 40), u64_at(&header, 48));
    let disk = super::field(&header, 56);
    Ok(Ok(Copy { disk, other: u64_at(&header, 32), usable, entry: entry as usize, entries }))
}

fn partitions(table: &Copy, last: u64, mut faults: Vec<String>) -> Table {
    let mut found = Table { partitions: Vec::new(), faults: Vec::new(), bios_boot: None };
    let mut guids = BTreeSet::new();
    for entry in table.entries.chunks_exact(table.entry).filter(|entry| entry[..16] != [0; 16]) {
        let name = name(entry);
        let (first, end) = (u64_at(entry, 32), u64_at(entry, 40));
        if first > end || first < table.usable.0 || end > table.usable.1 || end >= last {
            faults.push(format!("partition `{name}` does not lie within the disk"));
            continue;
        }
        if !guids.insert(super::field::<16>(entry, 16)) {
            faults.push(format!("partition `{name}` shares its GUID with another"));
        }
        if entry[..16] == BIOS_BOOT {
            found.bios_boot = found.bios_boot.or(Some(found.partitions.len()));
        }
        found.partitions.push(Partition {
            name,
            offset: first * SECTOR,
            length: (end - first + 1) * SECTOR,
            mbr_type: None,
        });
    }
    Table { faults, ..found }
}

/// Up to 36 UTF-16 units.
fn name(entry: &[u8]) -> String {
    let units = entry[56..128].chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let units: Vec<u16> = units.take_while(|&unit| unit != 0).collect();
    String::from_utf16_lossy(&units)
}
