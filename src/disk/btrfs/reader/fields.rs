//! Little-endian fields of hostile bytes: what is not there is an error, never a panic.

use super::{ReadError, damaged};
use crate::{disk::btrfs::format::Key, tree::Time};

/// A cursor over a structure.
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let Some((bytes, rest)) = self.0.split_at_checked(length) else {
            return Err(damaged("a structure is cut off"));
        };
        self.0 = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn skip(&mut self, length: usize) -> Result<(), ReadError> {
        self.take(length).map(|_| ())
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn uuid(&mut self) -> Result<[u8; 16], ReadError> {
        self.array()
    }

    pub(super) fn key(&mut self) -> Result<Key, ReadError> {
        Ok(Key::new(self.u64()?, self.u8()?, self.u64()?))
    }

    pub(super) fn time(&mut self) -> Result<Time, ReadError> {
        let seconds = i64::from_le_bytes(self.array()?);
        Ok(Time { seconds, nanos: self.u32()?.min(999_999_999) })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}
