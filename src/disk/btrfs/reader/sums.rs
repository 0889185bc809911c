//! Checksums of a foreign file system.

use xxhash_rust::xxh64::xxh64;

use super::ReadError;

/// How it sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SumKind {
    Crc32c,
    Xxhash64,
}

impl SumKind {
    /// By number (`enum btrfs_csum_type`).
    pub(super) fn of(number: u16) -> Result<Self, ReadError> {
        let name = match number {
            0 => return Ok(Self::Crc32c),
            1 => return Ok(Self::Xxhash64),
            2 => "sha256",
            3 => "blake2b",
            _ => "of an unknown kind",
        };
        Err(ReadError::Unsupported(format!("its checksums are {name}")))
    }

    /// Bytes of a sum.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Crc32c => 4,
            Self::Xxhash64 => 8,
        }
    }

    /// Whether `sum` begins with the sum of `bytes`.
    pub(super) fn matches(self, bytes: &[u8], sum: &[u8]) -> bool {
        match self {
            Self::Crc32c => sum.starts_with(&crc32c::crc32c(bytes).to_le_bytes()),
            Self::Xxhash64 => sum.starts_with(&xxh64(bytes, 0).to_le_bytes()),
        }
    }
}
