//! qcow2, version 3, with zstd-compressed clusters, straight from a [`Disk`](crate::disk::Disk)'s extents.

mod format;
mod reader;
mod tables;
mod writer;

pub(super) use reader::Qcow2;
pub(super) use writer::write;

#[cfg(test)]
mod tests;
