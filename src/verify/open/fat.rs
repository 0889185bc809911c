//! Files of a FAT16 or FAT32 file system, by path in upper case. Microsoft, "FAT: General Overview of On-Disk
//! Format", version 1.03.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{Part, SECTOR, invalid, u16_at, u32_at};
use crate::disk::btrfs::ReadAt;

/// Longest file, and most bytes of all of them. Ours: a kernel and an initrd are below 200 MB.
const MOST_BYTES: u64 = 512 << 20;
/// Most files and folders. Ours.
const MOST_FILES: usize = 65_536;
/// Longest folder: the specification, "FAT Directory Structure".
const MOST_FOLDER: u64 = 2 << 20;
/// Deepest folder. Ours: UEFI's are three deep.
const DEEPEST: usize = 16;
/// Bytes of an entry of a folder.
const ENTRY: usize = 32;

/// Contents by path in upper case.
type Files = BTreeMap<String, Vec<u8>>;

/// Whether it begins as FAT does.
pub(super) fn recognises(part: &Part) -> io::Result<bool> {
    if part.size() < SECTOR {
        return Ok(false);
    }
    let mut sector = [0; SECTOR as usize];
    part.read_at(0, &mut sector)?;
    let named = sector[54..].starts_with(b"FAT") || sector[82..].starts_with(b"FAT");
    Ok(sector[510..] == [0x55, 0xaa] && named)
}

/// Files with their contents, and what is wrong beside.
///
/// # Errors
/// `InvalidData` when it is damaged or larger than is read.
pub(super) fn read(part: &Part) -> io::Result<(Files, Vec<String>)> {
    let (fat, faults) = Fat::open(part)?;
    let mut walk = Walk { fat, files: BTreeMap::new(), seen: BTreeSet::new(), count: 0, bytes: 0 };
    let root = walk.fat.root()?;
    walk.folder(&root, "", 0)?;
    Ok((walk.files, faults))
}

struct Fat<'a> {
    part: &'a Part,
    /// Entries of the table.
    table: Vec<u32>,
    /// Where the first cluster begins.
    data: u64,
    /// Bytes of a cluster.
    cluster: u64,
    /// FAT16's root folder: offset and bytes; else its first cluster.
    root: Result<(u64, u64), u32>,
}

impl<'a> Fat<'a> {
    fn open(part: &'a Part) -> io::Result<(Self, Vec<String>)> {
        let mut boot = [0; SECTOR as usize];
        part.read_at(0, &mut boot)?;
        let sector = u64::from(u16_at(&boot, 11));
        let cluster = sector * u64::from(boot[13]);
        if !(SECTOR..=4096).contains(&sector) || !sector.is_power_of_two() || !cluster.is_power_of_two() {
            return Err(invalid("sectors or clusters of a size that cannot be"));
        }
        let first_of = |short: u16, long: u32| if short != 0 { u64::from(short) } else { u64::from(long) };
        let (reserved, copies) = (u64::from(u16_at(&boot, 14)) * sector, u64::from(boot[16]));
        let root = u64::from(u16_at(&boot, 17)) * ENTRY as u64;
        let size = first_of(u16_at(&boot, 19), u32_at(&boot, 32)) * sector;
        let table = first_of(u16_at(&boot, 22), u32_at(&boot, 36)) * sector;
        // All are products of numbers below 2³² and 2¹², so none overflows.
        let data = reserved + copies * table + root;
        if reserved == 0 || !(1..=2).contains(&copies) || data >= size || size > part.size() {
            return Err(invalid("it does not fit its partition"));
        }
        let clusters = (size - data) / cluster;
        let width = match clusters {
            0..4_085 => return Err(invalid("FAT12, which firmware need not read")),
            4_085..65_525 => 2,
            _ => 4,
        };
        let length = (clusters + 2) * width;
        if length > table || length > MOST_BYTES {
            return Err(invalid("its table is too small for its clusters"));
        }
        let read = |copy: u64| {
            let mut bytes = vec![0; length as usize];
            part.read_at(reserved + copy * table, &mut bytes).map(|()| bytes)
        };
        let first = read(0)?;
        let mut faults = Vec::new();
        if copies == 2 && read(1)? != first {
            faults.push("the copies of its table differ".into());
        }
        let root = if width == 2 { Ok((data - root, root)) } else { Err(u32_at(&boot, 44)) };
        Ok((Self { part, table: entries(&first, width), data, cluster, root }, faults))
    }

    fn root(&self) -> io::Result<Vec<u8>> {
        match self.root {
            Ok((offset, length)) => {
                let mut bytes = vec![0; length as usize]; // at most 65,535 entries
                self.part.read_at(offset, &mut bytes)?;
                Ok(bytes)
            }
            Err(cluster) => self.chain(cluster, MOST_FOLDER, None),
        }
    }

    /// The bytes of a chain, which may not have more than `most`; cut to `size`.
    fn chain(&self, first: u32, most: u64, size: Option<u64>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut at = first;
        loop {
            let next =
                self.table.get(at as usize).filter(|_| at >= 2).ok_or_else(|| invalid("a chain leaves the table"))?;
            let start = bytes.len();
            if start as u64 + self.cluster > most.next_multiple_of(self.cluster) {
                return Err(invalid("a file or folder is too long, or a ring"));
            }
            bytes.resize(start + self.cluster as usize, 0);
            self.part.read_at(self.data + u64::from(at - 2) * self.cluster, &mut bytes[start..])?;
            match *next {
                end if end >= 0x0fff_fff8 => break,
                next => at = next,
            }
        }
        if let Some(size) = size {
            if bytes.len() as u64 != size.next_multiple_of(self.cluster) {
                return Err(invalid("a file has more or fewer clusters than its size says"));
            }
            bytes.truncate(size as usize);
        }
        Ok(bytes)
    }
}

/// The table as numbers of FAT32: ends are 0x0ffffff8 and more.
fn entries(bytes: &[u8], width: u64) -> Vec<u32> {
    if width == 4 {
        return bytes.chunks_exact(4).map(|entry| u32_at(entry, 0) & 0x0fff_ffff).collect();
    }
    bytes
        .chunks_exact(2)
        .map(|entry| match u16_at(entry, 0) {
            end @ 0xfff8.. => 0x0fff_0000 | u32::from(end),
            next => next.into(),
        })
        .collect()
}

struct Walk<'a> {
    fat: Fat<'a>,
    files: Files,
    /// First clusters of the folders so far.
    seen: BTreeSet<u32>,
    count: usize,
    bytes: u64,
}

impl Walk<'_> {
    fn folder(&mut self, bytes: &[u8], above: &str, depth: usize) -> io::Result<()> {
        let mut long = Long::default();
        for entry in bytes.chunks_exact(ENTRY) {
            match (entry[0], entry[11]) {
                (0, _) => break,
                (0xe5, _) => long = Long::default(),
                (_, kind) if kind & 0x3f == 0x0f => long.add(entry),
                (_, kind) if kind & 0x08 != 0 => long = Long::default(), // the label
                (b'.', _) => long = Long::default(),
                (_, kind) => {
                    let name = std::mem::take(&mut long).name(entry);
                    let path = format!("{above}{}", name.to_uppercase());
                    self.item(entry, kind & 0x10 != 0, path, depth)?;
                }
            }
        }
        Ok(())
    }

    fn item(&mut self, entry: &[u8], is_folder: bool, path: String, depth: usize) -> io::Result<()> {
        let cluster = u32::from(u16_at(entry, 20)) << 16 | u32::from(u16_at(entry, 26));
        let size = u64::from(u32_at(entry, 28));
        self.count += 1;
        self.bytes += size;
        if self.count > MOST_FILES || self.bytes > MOST_BYTES || depth > DEEPEST {
            return Err(invalid("there is more in it than is read"));
        }
        if is_folder {
            if !self.seen.insert(cluster) {
                return Err(invalid(format!("folder `{path}` is there twice")));
            }
            let bytes = self.fat.chain(cluster, MOST_FOLDER, None)?;
            return self.folder(&bytes, &format!("{path}/"), depth + 1);
        }
        let content = if size == 0 { Vec::new() } else { self.fat.chain(cluster, size, Some(size))? };
        match self.files.insert(path.clone(), content) {
            Some(_) => Err(invalid(format!("`{path}` is there twice"))),
            None => Ok(()),
        }
    }
}

/// A long name so far, its parts from the last to the first.
#[derive(Default)]
struct Long {
    units: Vec<u16>,
    sum: u8,
    next: u8,
}

impl Long {
    fn add(&mut self, entry: &[u8]) {
        const PLACES: [usize; 13] = [1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30];
        let number = entry[0] & 0x3f;
        if entry[0] & 0x40 != 0 {
            *self = Self { units: Vec::new(), sum: entry[13], next: number };
        }
        if number == 0 || number != self.next || entry[13] != self.sum {
            *self = Self::default();
            return;
        }
        let units = PLACES.map(|at| u16_at(entry, at));
        let end = units.iter().position(|&unit| unit == 0).unwrap_or(units.len());
        self.units.splice(0..0, units[..end].iter().copied());
        self.next -= 1;
    }

    /// The long name if it belongs to this entry, else the 8.3 name.
    fn name(self, entry: &[u8]) -> String {
        let sum = entry[..11].iter().fold(0, |sum: u8, &byte| sum.rotate_right(1).wrapping_add(byte));
        if self.next == 0 && self.sum == sum && !self.units.is_empty() {
            return String::from_utf16_lossy(&self.units);
        }
        let text = |part: &[u8]| String::from_utf8_lossy(part).trim_end().to_owned();
        match (text(&entry[..8]), text(&entry[8..11])) {
            (base, extension) if extension.is_empty() => base,
            (base, extension) => format!("{base}.{extension}"),
        }
    }
}
