//! A size becomes sectors, tables and clusters, and the sectors that say so.

use std::io;

/// Bytes of a sector.
pub(super) const SECTOR: u64 = 512;
/// Number of the first cluster.
pub(super) const FIRST_CLUSTER: u32 = 2;
/// Copies of the table.
pub(super) const TABLES: u64 = 2;
/// Most entries of a folder: 2 MiB (the specification, "FAT Directory Structure").
pub(super) const MOST_SLOTS: usize = 65_536;

/// From here on FAT32 with clusters of one sector has the 65,525 clusters that make it one.
const FAT32_FROM: u64 = 33 << 20;
/// Smallest file system that is made; below it FAT12 begins, which firmware reads less reliably.
const SMALLEST: u64 = 4 << 20;
/// Largest: 32-bit sector numbers.
const LARGEST: u64 = (u32::MAX as u64) * SECTOR;
/// Fewest clusters of FAT16 and FAT32 (the specification, "FAT Type Determination").
const FEWEST: [u32; 2] = [4_085, 65_525];
/// Entries of FAT16's root folder.
const ROOT_SLOTS: u64 = 512;
/// Fewest sectors before the table: as mkfs.fat has them.
const RESERVED: [u64; 2] = [1, 32];
/// Clusters begin at a multiple of this many bytes: the page of the disk's extents, and of flash memory.
pub(super) const PAGE: u64 = 4096;
/// Where FAT32 has its count of free clusters.
const INFO_SECTOR: usize = 1;
/// Where FAT32 has the copies of the first two sectors.
const BACKUP_SECTOR: usize = 6;
/// Heads and sectors a track of a disk that has none, as BIOSes have agreed upon.
const GEOMETRY: (u16, u16) = (255, 63);
/// A hard disk.
const MEDIA: u8 = 0xf8;

/// Where everything is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    is_32: bool,
    sectors: u32,
    reserved: u64,
    cluster_sectors: u32,
    table_sectors: u64,
    /// Number of clusters.
    pub(super) clusters: u32,
}

impl Geometry {
    /// # Errors
    /// FAT cannot have that size.
    pub(super) fn of(size: u64) -> io::Result<Self> {
        if !(SMALLEST..=LARGEST).contains(&size) {
            return Err(super::name::invalid(format!("FAT cannot have {size} bytes")));
        }
        let is_32 = size >= FAT32_FROM;
        let sectors = (size / SECTOR) as u32; // at most LARGEST / SECTOR
        let reserved = RESERVED[usize::from(is_32)];
        let cluster_sectors = cluster(size);
        let mut geometry = Self { is_32, sectors, reserved, cluster_sectors, table_sectors: 0, clusters: 0 };
        // As if the tables took nothing: they are a few sectors too large, never too small.
        let most = u64::from(sectors) / u64::from(geometry.cluster_sectors) + u64::from(FIRST_CLUSTER);
        geometry.table_sectors = (most * geometry.width()).div_ceil(SECTOR);
        let align = PAGE / SECTOR;
        geometry.reserved += geometry.data_sector().next_multiple_of(align) - geometry.data_sector();
        let data = u64::from(sectors) - geometry.data_sector();
        geometry.clusters = (data / u64::from(geometry.cluster_sectors)) as u32;
        debug_assert!(geometry.clusters >= FEWEST[usize::from(is_32)]);
        debug_assert!(is_32 || geometry.clusters < FEWEST[1]);
        Ok(geometry)
    }

    /// Bytes of a cluster.
    pub(super) fn cluster(&self) -> u32 {
        self.cluster_sectors * SECTOR as u32
    }

    /// Where a cluster begins.
    pub(super) fn offset(&self, cluster: u32) -> u64 {
        let ahead = u64::from(cluster - FIRST_CLUSTER) * u64::from(self.cluster_sectors);
        (self.data_sector() + ahead) * SECTOR
    }

    /// Where FAT16's root folder begins.
    pub(super) fn root_offset(&self) -> u64 {
        self.table_offset(TABLES)
    }

    /// Entries that the root folder is limited to.
    pub(super) fn root_slots(&self) -> Option<usize> {
        (!self.is_32).then_some(ROOT_SLOTS as usize)
    }

    fn data_sector(&self) -> u64 {
        let root = if self.is_32 { 0 } else { ROOT_SLOTS * super::entry::SIZE as u64 / SECTOR };
        self.reserved + TABLES * self.table_sectors + root
    }

    /// Where a copy of the table begins.
    pub(super) fn table_offset(&self, copy: u64) -> u64 {
        (self.reserved + copy * self.table_sectors) * SECTOR
    }

    /// Bytes of an entry of the table.
    pub(super) fn width(&self) -> u64 {
        if self.is_32 { 4 } else { 2 }
    }

    /// An entry of the table: the next cluster of a file, or its end.
    pub(super) fn link(&self, next: Option<u32>) -> impl Iterator<Item = u8> {
        let next = next.unwrap_or(0x0fff_ffff);
        next.to_le_bytes().into_iter().take(self.width() as usize)
    }

    /// The entries before the first cluster's: the medium, and "unmounted cleanly, no errors".
    pub(super) fn table_head(&self) -> Vec<u8> {
        let medium = 0x0fff_ff00 | u32::from(MEDIA);
        self.link(Some(medium)).chain(self.link(None)).collect()
    }

    /// The sectors before the table. `next` is the first cluster that is free.
    ///
    /// # Errors
    /// The file system begins beyond 2 TiB.
    pub(super) fn boot_region(
        &self,
        serial: u32,
        label: [u8; 11],
        offset: u64,
        used: u32,
        next: u32,
    ) -> io::Result<Vec<u8>> {
        let hidden = u32::try_from(offset / SECTOR).map_err(io::Error::other)?;
        let boot = self.boot_sector(serial, label, hidden);
        let mut region = vec![0; (self.reserved * SECTOR) as usize];
        let mut put =
            |sector: usize, bytes: &[u8]| region[sector * SECTOR as usize..][..bytes.len()].copy_from_slice(bytes);
        put(0, &boot);
        if self.is_32 {
            let unknown = u32::MAX;
            let next = if next < FIRST_CLUSTER + self.clusters { next } else { unknown };
            let info = info_sector(self.clusters - used, next);
            put(INFO_SECTOR, &info);
            put(BACKUP_SECTOR, &boot);
            put(BACKUP_SECTOR + INFO_SECTOR, &info);
        }
        Ok(region)
    }

    /// The specification, "Boot Sector and BPB".
    fn boot_sector(&self, serial: u32, label: [u8; 11], hidden: u32) -> [u8; SECTOR as usize] {
        let mut sector = [0; SECTOR as usize];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            sector[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        let short = u16::try_from(self.sectors).ok().filter(|_| !self.is_32);
        // A jump over the fields to code that waits for ever; then the name that most drivers know.
        put(if self.is_32 { &[0xeb, 0x58, 0x90] } else { &[0xeb, 0x3c, 0x90] });
        put(b"MSWIN4.1");
        put(&(SECTOR as u16).to_le_bytes());
        put(&[self.cluster_sectors as u8]);
        put(&(self.reserved as u16).to_le_bytes());
        put(&[TABLES as u8]);
        put(&(self.root_slots().unwrap_or(0) as u16).to_le_bytes());
        put(&short.unwrap_or(0).to_le_bytes());
        put(&[MEDIA]);
        put(&if self.is_32 { 0 } else { self.table_sectors as u16 }.to_le_bytes());
        put(&GEOMETRY.1.to_le_bytes());
        put(&GEOMETRY.0.to_le_bytes());
        put(&hidden.to_le_bytes());
        put(&if short.is_some() { 0 } else { self.sectors }.to_le_bytes());
        if self.is_32 {
            put(&(self.table_sectors as u32).to_le_bytes());
            put(&[0; 4]); // both tables are in use; version 0.0
            put(&FIRST_CLUSTER.to_le_bytes()); // of the root folder
            put(&(INFO_SECTOR as u16).to_le_bytes());
            put(&(BACKUP_SECTOR as u16).to_le_bytes());
            put(&[0; 12]);
        }
        put(&[0x80, 0, 0x29]); // the first hard disk; clean; serial, label and type follow
        put(&serial.to_le_bytes());
        put(&label);
        put(if self.is_32 { b"FAT32   " } else { b"FAT16   " });
        put(&[0xeb, 0xfe]); // a jump to itself
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
        sector
    }
}

/// Sectors of a cluster, about as mkfs.fat chooses them.
fn cluster(size: u64) -> u32 {
    match size >> 20 {
        ..32 => 1, // FAT16
        32 if size == 32 << 20 => 1,
        32 => 2,       // still FAT16
        33..=260 => 1, // FAT32 from here on
        261..=8191 => 8,
        _ => 64,
    }
}

/// The specification, "FAT32 FSInfo Sector Structure".
fn info_sector(free: u32, next: u32) -> [u8; SECTOR as usize] {
    let mut sector = [0; SECTOR as usize];
    for (at, word) in [(0, 0x4161_5252), (484, 0x6141_7272), (488, free), (492, next), (508, 0xaa55_0000_u32)] {
        sector[at..at + 4].copy_from_slice(&word.to_le_bytes());
    }
    sector
}
