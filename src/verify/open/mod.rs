//! An image's bytes become [`Facts`]: the table is read, every partition is looked into, and what is in the file
//! systems is listed. Nothing that an image says is trusted.

mod fat;
mod mbr;
mod table;

use std::{io, sync::Arc};

use self::table::Table;
use super::facts::{Bios, Facts, Partition, Subvolume};
use crate::{
    disk::btrfs::{ReadAt, ReadError, Reader, SubvolumeInfo, Window},
    image::Source,
    report::{Exit, Explain},
};

/// Logical sectors.
const SECTOR: u64 = 512;
/// Where a btrfs says that it is one, from its start.
const BTRFS_MAGIC: (u64, &[u8; 8]) = (0x1_0040, b"_BHRfS_M");

/// Why an image cannot be held against the rules at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host refused, or the image is damaged where it is read.
    #[error("cannot read the image")]
    Read(#[from] io::Error),
    /// No table of partitions.
    #[error("the image has no partition table")]
    NoTable,
    /// No root.
    #[error("no partition holds a btrfs file system")]
    NoRoot,
    /// The root is damaged.
    #[error("the file system on partition `{partition}` cannot be read")]
    Root {
        /// The partition.
        partition: String,
        /// What is wrong.
        source: ReadError,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Read(error) if !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {
                Exit::Host
            }
            Self::Root { source, .. } => source.exit(),
            _ => Exit::Verification,
        }
    }
}

/// A partition's bytes.
type Part = Window<Arc<Source>>;

impl Facts {
    /// Reads what the rules look at.
    ///
    /// # Errors
    /// The image cannot be read, or there is no table or no root file system. What is merely wrong becomes a finding.
    pub fn read(source: impl Into<Arc<Source>>) -> Result<Self, Error> {
        let source = source.into();
        let mut facts = shallow(&source)?;
        facts.root_file_system(&source)?;
        Ok(facts)
    }

    /// Files of the first FAT.
    fn firmware(&mut self, source: &Arc<Source>) -> Result<(), Error> {
        for partition in &self.partitions {
            let part = part(source, partition);
            if !fat::recognises(&part)? {
                continue;
            }
            match fat::read(&part) {
                Ok((files, faults)) => {
                    self.esp = files;
                    self.esp_size = partition.length;
                    let named = faults.iter().map(|fault| format!("FAT on partition `{}`: {fault}", partition.name));
                    self.table_faults.extend(named);
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    self.table_faults.push(format!("FAT on partition `{}`: {error}", partition.name));
                }
                Err(error) => return Err(error.into()),
            }
            break;
        }
        Ok(())
    }

    /// Subvolumes of the first btrfs.
    fn root_file_system(&mut self, source: &Arc<Source>) -> Result<(), Error> {
        let mut found = None;
        for partition in &self.partitions {
            if has_btrfs(&part(source, partition))? {
                found = Some(partition.clone());
                break;
            }
        }
        let partition = found.ok_or(Error::NoRoot)?;
        let failed = |source| Error::Root { partition: partition.name.clone(), source };
        let reader = Arc::new(Reader::open(part(source, &partition)).map_err(failed)?);
        if reader.total_bytes() > partition.length {
            let (size, room) = (reader.total_bytes(), partition.length);
            self.table_faults.push(format!("`{}` has {room} bytes and its file system {size}", partition.name));
        }
        self.fsid = reader.fsid();
        let volumes = reader.subvolumes().map_err(failed)?;
        self.subvolumes =
            volumes.into_iter().map(|info| subvolume(&reader, info)).collect::<Result<_, _>>().map_err(failed)?;
        Ok(())
    }
}

/// Everything but the root file system.
pub(super) fn shallow(source: &Arc<Source>) -> Result<Facts, Error> {
    let Table { partitions, faults, bios_boot } = table::read(source)?;
    let mut facts = Facts { partitions, table_faults: faults, ..Facts::default() };
    if let Some(number) = bios_boot {
        facts.bios = Some(bios(source, &facts.partitions[number])?);
    }
    facts.firmware(source)?;
    Ok(facts)
}

fn part(source: &Arc<Source>, partition: &Partition) -> Part {
    Window::new(source.clone(), partition.offset, partition.length)
}

fn has_btrfs(part: &Part) -> io::Result<bool> {
    let (offset, magic) = BTRFS_MAGIC;
    let mut bytes = [0; 8];
    if part.size() < offset + bytes.len() as u64 {
        return Ok(false);
    }
    part.read_at(offset, &mut bytes)?;
    Ok(bytes == *magic)
}

fn subvolume(reader: &Arc<Reader<Part>>, info: SubvolumeInfo) -> Result<Subvolume, ReadError> {
    let (tree, copied_on_write) = reader.tree(info.id)?;
    let reader = reader.clone();
    Ok(Subvolume {
        path: info.path,
        uuid: info.uuid,
        read_only: info.read_only,
        default: info.default,
        tree,
        copied_on_write,
        read: Box::new(move |path| reader.read_file(info.id, path)),
    })
}

/// What BIOS starts, and what that goes on with.
fn bios(source: &Arc<Source>, partition: &Partition) -> io::Result<Bios> {
    let (mut boot, mut core) = ([0; SECTOR as usize], [0; SECTOR as usize]);
    source.read_at(0, &mut boot)?;
    source.read_at(partition.offset, &mut core)?;
    Ok(Bios {
        has_code: boot[0] != 0,
        has_core: core[0] != 0,
        core_sector: u64_at(&boot, 0x5c),
        partition_sector: partition.offset / SECTOR,
        next_sector: u64_at(&core, 0x1f4),
        next_count: u64::from(u16_at(&core, 0x1fc)),
        partition_sectors: partition.length / SECTOR,
    })
}

/// Bytes of a field; zeros beyond the end, which no place that is asked for is.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(field(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(field(bytes, at))
}

fn invalid(fault: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault.into())
}
