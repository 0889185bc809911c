//! Partitions become a master boot record, for firmware that knows no other table; and the record that protects a
//! GUID partition table from programs of that age.

use super::{gpt::SECTOR, partition::Placed};
use crate::{plan::Plan, profile::PartitionKind};

/// The signature, the last two bytes.
const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Where the number that identifies the disk lies.
pub(super) const DISK_ID: usize = 440;
/// Where the four entries begin.
const ENTRIES: usize = 446;
/// Flag of the entry that is booted from. Some BIOSes start no disk without one.
const ACTIVE: u8 = 0x80;
/// Cylinder, head and sector of what is beyond their reach.
const NO_CHS: [u8; 3] = [0xfe, 0xff, 0xff];
/// Type of the entry that covers a GUID partition table.
const PROTECTIVE: u8 = 0xee;
/// Most partitions that a record has.
pub(super) const MOST: usize = 4;

/// The record of a disk, its boot code left empty. Partitions that lie beyond 2 TiB cannot be named: whoever placed
/// them has seen to it.
pub(super) fn record(plan: &Plan, placed: &[Placed<'_>]) -> [u8; SECTOR as usize] {
    let mut record = [0; SECTOR as usize];
    record[DISK_ID..DISK_ID + 4].copy_from_slice(&disk_id(plan).to_le_bytes());
    for (number, placed) in placed.iter().take(MOST).enumerate() {
        let flag = if number == 0 { ACTIVE } else { 0 };
        let kind = placed.partition.mbr_type.unwrap_or_else(|| kind(placed.partition.kind));
        let (first, count) = (placed.offset / SECTOR, placed.length / SECTOR);
        put(&mut record, number, flag, NO_CHS, kind, first, count);
    }
    record[510..].copy_from_slice(&SIGNATURE);
    record
}

/// Never zero, which means that there is none: `root=PARTUUID=` and Windows go by it.
pub(super) fn disk_id(plan: &Plan) -> u32 {
    let [a, b, c, d, ..] = plan.seed.bytes("mbr");
    u32::from_be_bytes([a, b, c, d]).max(1)
}

fn kind(kind: PartitionKind) -> u8 {
    match kind {
        PartitionKind::Esp => 0xef,
        PartitionKind::Fat => 0x0c,
        PartitionKind::BiosBoot | PartitionKind::Root => 0x83,
    }
}

/// One entry over all of a disk of `sectors`: UEFI 2.10, table 5.4. Marked active although that text says zero:
/// UEFI does not look, and BIOSes do.
pub(super) fn protective(sectors: u64) -> [u8; SECTOR as usize] {
    let mut record = [0; SECTOR as usize];
    put(&mut record, 0, ACTIVE, [0x00, 0x02, 0x00], PROTECTIVE, 1, sectors - 1);
    record[ENTRIES + 5..ENTRIES + 8].copy_from_slice(&[0xff; 3]);
    record[510..].copy_from_slice(&SIGNATURE);
    record
}

fn put(record: &mut [u8], number: usize, flag: u8, chs: [u8; 3], kind: u8, first: u64, count: u64) {
    let entry = &mut record[ENTRIES + 16 * number..][..16];
    let sectors = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    entry[0] = flag;
    entry[1..4].copy_from_slice(&chs);
    entry[4] = kind;
    entry[5..8].copy_from_slice(&NO_CHS);
    entry[8..12].copy_from_slice(&sectors(first));
    entry[12..].copy_from_slice(&sectors(count));
}
