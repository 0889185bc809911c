//! Partitions become a GUID partition table: protective record and table at the start, its copy at the end.

use std::io::{self, Seek, SeekFrom, Write};

use gptman::{GPT, GPTPartitionEntry};

use super::{mbr, partition::Placed, sparse::Sparse};
use crate::{
    plan::{Plan, layout},
    profile::{Arch, PartitionKind},
};

/// Logical sectors.
pub(super) const SECTOR: u64 = 512;
/// Entries of the table.
pub(super) const MOST: usize = 128;
/// Bytes that the copy at the end takes: 128 entries of 128 bytes and the header.
pub(super) const AT_END: u64 = 33 * SECTOR;

/// `21686148-6449-6E6F-744E-656564454649`, GRUB's BIOS boot partition ("Hah!IdontNeedEFI").
const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";
/// EFI system partition: UEFI 2.10, table 5.7.
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";
/// Basic data partition: any FAT that is not the firmware's.
const BASIC_DATA: &str = "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7";
/// Root partitions of the Discoverable Partitions Specification: systemd-repart's `Type=root`.
const ROOT_X86_64: &str = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
/// See [`ROOT_X86_64`].
const ROOT_AARCH64: &str = "b921b045-1df0-41c3-af44-4c6f280d3fae";
/// Discoverable Partitions Specification, "no-auto": systemd's gpt-auto generator leaves the partition alone, since
/// fstab says what is mounted.
const NO_AUTO: u64 = 1 << 63;

/// Writes both copies of the table and the protective record.
///
/// # Errors
/// The partitions do not fit, which whoever placed them has seen to.
pub(super) fn write(plan: &Plan, placed: &[Placed<'_>], bytes: &mut Sparse) -> io::Result<()> {
    let guid = on_disk(plan.seed.uuid("disk"));
    let mut table = GPT::new_from(bytes, SECTOR, guid).map_err(io::Error::other)?;
    for (number, partition) in (1..).zip(placed) {
        table[number] = entry(plan, partition);
    }
    table.write_into(bytes).map_err(io::Error::other)?;
    bytes.seek(SeekFrom::Start(0))?;
    bytes.write_all(&mbr::protective(bytes.size() / SECTOR))
}

fn entry(plan: &Plan, placed: &Placed<'_>) -> GPTPartitionEntry {
    let partition = placed.partition;
    GPTPartitionEntry {
        partition_type_guid: on_disk(parse(kind(plan.arch, partition.kind))),
        unique_partition_guid: on_disk(layout::partition_uuid(plan, &partition.name)),
        starting_lba: placed.offset / SECTOR,
        ending_lba: placed.end() / SECTOR - 1,
        attribute_bits: if partition.kind == PartitionKind::Root { NO_AUTO } else { 0 },
        partition_name: partition.name.as_str().into(),
    }
}

fn kind(arch: Arch, kind: PartitionKind) -> &'static str {
    match (kind, arch) {
        (PartitionKind::BiosBoot, _) => BIOS_BOOT,
        (PartitionKind::Esp, _) => ESP,
        (PartitionKind::Fat, _) => BASIC_DATA,
        (PartitionKind::Root, Arch::X86_64) => ROOT_X86_64,
        (PartitionKind::Root, Arch::Aarch64) => ROOT_AARCH64,
    }
}

fn parse(guid: &str) -> [u8; 16] {
    let digits: Vec<u8> = guid.bytes().filter(|byte| *byte != b'-').collect();
    let digit = |byte: u8| (byte as char).to_digit(16).unwrap_or(0) as u8;
    std::array::from_fn(|at| digit(digits[2 * at]) << 4 | digit(digits[2 * at + 1]))
}

/// A GUID's bytes as tables have them: the first three fields little endian (UEFI 2.10, appendix A).
fn on_disk(guid: [u8; 16]) -> [u8; 16] {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    ORDER.map(|at| guid[at])
}
