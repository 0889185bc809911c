//! Why a disk cannot be laid out.

use std::io;

use super::{bios::BiosError, btrfs};
use crate::report::{Exit, Explain};

/// Why a disk cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The layout is none.
    #[error("the partitions cannot be placed: {0}")]
    Partitions(String),
    /// A size is too small.
    #[error("{needed} bytes are needed, and there are to be {size}")]
    NoRoom {
        /// What was asked for.
        size: u64,
        /// What it takes.
        needed: u64,
    },
    /// A subvolume cannot be cut out.
    #[error("the subvolumes cannot be made: {0}")]
    Subvolume(String),
    /// The root file system.
    #[error("the root file system cannot be laid out")]
    Root(#[from] btrfs::Error),
    /// A FAT file system.
    #[error("partition `{partition}` cannot be filled")]
    Fat {
        /// Its name.
        partition: String,
        /// What is wrong, or what the host said.
        source: io::Error,
    },
    /// GRUB for BIOS.
    #[error("the boot code for BIOS cannot be written")]
    Bios(#[from] BiosError),
    /// The partition table.
    #[error("the partition table cannot be written")]
    Table(#[source] io::Error),
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Root(error) => error.exit(),
            Self::Partitions(_) | Self::NoRoom { .. } => Exit::Usage,
            _ => Exit::Build,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoRoom { needed, .. } => {
                vec![format!("set `disk.size` to {} MiB or more, or to `auto`", needed.div_ceil(1 << 20))]
            }
            Self::Root(btrfs::Error::TooSmall { .. }) => {
                vec!["make `disk.size` larger by the difference, or set it to `auto`".into()]
            }
            Self::Root(error) => error.hints(),
            Self::Fat { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                vec!["make the partition larger: `size` in the platform's `disk.partitions`".into()]
            }
            Self::Bios(BiosError::Room { .. } | BiosError::Partition) => {
                vec!["give `disk.partitions` one of type `bios-boot` with 2 MiB".into()]
            }
            _ => Vec::new(),
        }
    }
}
