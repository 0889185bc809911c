//! Entries of folders: 32 bytes each, long names spread over several.

use super::name::Short;
use crate::units::Epoch;

/// Bytes of an entry.
pub(super) const SIZE: usize = 32;
/// UTF-16 units of a long name in one entry.
const UNITS: usize = 13;

const LABEL: u8 = 0x08;
const FOLDER: u8 = 0x10;
const ARCHIVE: u8 = 0x20;
/// All of read-only, hidden, system and label: a part of a long name.
const LONG: u8 = 0x0f;
/// Marks the entry with the end of a long name, which comes first.
const LAST: u8 = 0x40;

/// A date and time as FAT has them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    date: u16,
    time: u16,
}

impl Stamp {
    /// The epoch, rounded down to what FAT can say: even seconds from 1980 to 2107.
    pub(super) fn of(epoch: Epoch) -> Self {
        let (year, month, day, hour, minute, second) = epoch.to_civil();
        match u32::try_from(year) {
            Ok(year @ 1980..=2107) => Self {
                date: (((year - 1980) << 9) | (month << 5) | day) as u16,
                time: ((hour << 11) | (minute << 5) | (second / 2)) as u16,
            },
            _ => Self { date: (1 << 5) | 1, time: 0 },
        }
    }
}

/// A file, folder or label.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    name: Short,
    attributes: u8,
    cluster: u32,
    size: u32,
    stamp: Stamp,
}

impl Entry {
    pub(super) fn label(name: Short, stamp: Stamp) -> Self {
        Self { name, attributes: LABEL, cluster: 0, size: 0, stamp }
    }

    pub(super) fn folder(name: Short, cluster: u32, stamp: Stamp) -> Self {
        Self { name, attributes: FOLDER, cluster, size: 0, stamp }
    }

    pub(super) fn file(name: Short, cluster: u32, size: u32, stamp: Stamp) -> Self {
        Self { name, attributes: ARCHIVE, cluster, size, stamp }
    }

    /// The specification, "FAT Directory Structure".
    pub(super) fn to_bytes(self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        let Stamp { date, time } = self.stamp;
        let [low, high] = [self.cluster as u16, (self.cluster >> 16) as u16];
        bytes[..11].copy_from_slice(&self.name);
        bytes[11] = self.attributes;
        for (at, word) in [(14, time), (16, date), (18, date), (20, high), (22, time), (24, date), (26, low)] {
            bytes[at..at + 2].copy_from_slice(&word.to_le_bytes());
        }
        bytes[28..].copy_from_slice(&self.size.to_le_bytes());
        bytes
    }
}

/// Number of entries that a long name takes.
pub(super) fn long_slots(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(UNITS)
}

/// The entries of a long name, which precede its 8.3 name's.
pub(super) fn long(name: &str, short: &Short) -> Vec<u8> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let parts: Vec<&[u16]> = units.chunks(UNITS).collect();
    let sum = checksum(short);
    let last = parts.len();
    let entries = (1..=last).rev().map(|number| {
        let mark = if number == last { LAST } else { 0 };
        long_entry(number as u8 | mark, sum, parts[number - 1])
    });
    entries.flatten().collect()
}

fn long_entry(number: u8, sum: u8, part: &[u16]) -> [u8; SIZE] {
    // Where the units are: five, six and two.
    const PLACES: [usize; UNITS] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
    let mut bytes = [0; SIZE];
    (bytes[0], bytes[11], bytes[13]) = (number, LONG, sum);
    let padded = part.iter().copied().chain([0]).chain(std::iter::repeat(0xffff));
    for (at, unit) in PLACES.into_iter().zip(padded) {
        bytes[at..at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    bytes
}

fn checksum(short: &Short) -> u8 {
    short.iter().fold(0, |sum: u8, &byte| sum.rotate_right(1).wrapping_add(byte))
}
