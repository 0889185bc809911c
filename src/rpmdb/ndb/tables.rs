//! `Index.db` → the rows of its tables; and whether rpm can use a database as it is, where nothing can be written.
//!
//! Checks: those of `rpmxdbReadHeader` and `rpmidxReadHeader` (rpm 6.1, `lib/backend/ndb`), and that tables and keys lie
//! where there is room for them.

use std::{collections::BTreeSet, io, path::Path};

use super::{
    Blob, blobs,
    index::{FILE_HEADER, MAGIC, SLOT_MAGIC, TABLE_HEADER, TABLE_MAGIC, murmur},
    packages::{self, fault, word},
};
use crate::{
    rpm::Header,
    rpmdb::index::{INDEXES, rows},
};

/// `XDB_MIN_PAGESIZE`, `XDB_MAX_PAGESIZE` and `XDB_MAX_SLOTNPAGES`.
const PAGE_SIZES: std::ops::RangeInclusive<usize> = 0x100..=0x10000;
const MOST_PAGES: usize = 0x1_0000;
/// `SLOT_SIZE`.
const SLOT: usize = 16;
/// Slots may share a key. The keys of all rows together have this many times the table's bytes at most, or it is made
/// to keep its reader busy; in real tables it is less than the table once.
const MOST_KEY_BYTES: usize = 64;

/// A row of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row<'file> {
    /// The key's bytes.
    pub key: &'file [u8],
    /// The package's number.
    pub number: u32,
    /// Which of the package's values it is.
    pub at: u32,
}

/// The tables of an `Index.db`.
#[derive(Clone, Debug)]
pub struct Tables<'file> {
    /// The generation of the `Packages.db` that they are made of.
    pub generation: u32,
    /// By their tags.
    tables: Vec<(u32, &'file [u8])>,
}

impl<'file> Tables<'file> {
    /// Finds the tables in a file.
    ///
    /// # Errors
    /// It isn't one, or is damaged.
    pub fn parse(file: &'file [u8]) -> io::Result<Self> {
        if file.len() < FILE_HEADER || file[..4] != MAGIC || word(file, 4) != 0 {
            return Err(fault("does not begin as rpm's index of version 0 does"));
        }
        let (pages, page) = (word(file, 12) as usize, word(file, 16) as usize);
        if !page.is_power_of_two() || !PAGE_SIZES.contains(&page) || !(1..MOST_PAGES).contains(&pages) {
            return Err(fault("has an index with pages that cannot be"));
        }
        if !file.len().is_multiple_of(page) || pages > file.len() / page {
            return Err(fault("has an index that is cut short"));
        }
        let mut spans = Vec::new();
        for slot in file[FILE_HEADER..pages * page].as_chunks::<SLOT>().0 {
            if slot[..3] != SLOT_MAGIC[..3] {
                return Err(fault("has an index with a slot that is none"));
            }
            let (start, count) = (word(slot, 8) as usize, word(slot, 12) as usize);
            if start != 0 && count != 0 {
                spans.push((start, start.saturating_add(count), slot[3], word(slot, 4)));
            }
        }
        spans.sort_unstable();
        let mut free = pages;
        for &(start, end, ..) in &spans {
            if start < free || end > file.len() / page {
                return Err(fault("has an index with tables that overlap"));
            }
            free = end;
        }
        // Of another kind than 0 are those that an rpm was making when it was killed.
        let tables = spans.into_iter().filter(|(_, _, kind, _)| *kind == 0);
        let tables = tables.map(|(start, end, _, tag)| (tag, &file[start * page..end * page])).collect();
        Ok(Self { generation: word(file, 20), tables })
    }

    /// The rows of a tag's table, sorted; nothing when there is none.
    ///
    /// # Errors
    /// The table is damaged.
    pub fn rows(&self, tag: u32) -> io::Result<Option<Vec<Row<'file>>>> {
        let table = self.tables.iter().find(|(known, _)| *known == tag);
        table.map(|(_, table)| rows_of(table).ok_or_else(|| fault(&format!("has a damaged index {tag}")))).transpose()
    }

    /// Which tables there are.
    pub fn tags(&self) -> impl Iterator<Item = u32> {
        self.tables.iter().map(|(tag, _)| *tag)
    }
}

fn rows_of(table: &[u8]) -> Option<Vec<Row<'_>>> {
    let head = table.get(..TABLE_HEADER)?;
    let slots = word(head, 12) as usize;
    if head[..4] != TABLE_MAGIC || word(head, 4) != 0 || slots < 256 || !slots.is_power_of_two() {
        return None;
    }
    let (used, mask, end) = (word(head, 16) as usize, word(head, 24), word(head, 28) as usize);
    let body = &table[TABLE_HEADER..];
    let (entries, rest) = body.split_at_checked(slots.checked_mul(8)?)?;
    let (overflows, keys) = rest.split_at_checked(slots * 4)?;
    let keys = keys.get(..end)?;
    let mut left = table.len().saturating_mul(MOST_KEY_BYTES);
    let (mut rows, mut seen) = (Vec::new(), 0);
    for (entry, overflow) in entries.as_chunks::<8>().0.iter().zip(overflows.as_chunks::<4>().0) {
        let tagged = word(entry, 0);
        seen += usize::from(tagged != 0);
        if tagged == 0 || tagged == u32::MAX {
            continue; // free, or freed
        }
        let key = key_at(keys, (tagged & !mask) as usize)?;
        left = left.checked_sub(key.len())?;
        if !cfg!(fuzzing) && (murmur(key) ^ tagged) & mask != 0 {
            return None;
        }
        let (number, at) = decoded(word(entry, 4), word(overflow, 0));
        rows.push(Row { key, number, at });
    }
    rows.sort_unstable();
    (seen == used).then_some(rows)
}

/// A key by its offset, which is that of its length.
fn key_at(keys: &[u8], offset: usize) -> Option<&[u8]> {
    let (length, rest) = match keys.get(offset..)? {
        [255, 255, 255, rest @ ..] => (word(rest.get(..4)?, 0) as usize, &rest[4..]),
        [255, low, high, rest @ ..] => (usize::from(u16::from_le_bytes([*low, *high])), rest),
        [length, rest @ ..] => (usize::from(*length), rest),
        [] => return None,
    };
    rest.get(..length)
}

/// A package's number and which of its values.
fn decoded(data: u32, overflow: u32) -> (u32, u32) {
    match data {
        0x8000_0000.. => (overflow, data ^ 0x8000_0000),
        0x4000_0000.. => (data & 0xff_ffff, (data ^ 0x4000_0000) >> 24),
        _ => (data & 0xf_ffff, data >> 20),
    }
}

/// Whether rpm finds every package of a database by everything that it is found by, without writing anything.
///
/// # Errors
/// What is wrong.
pub fn check(packages: &[u8], index: &[u8]) -> io::Result<()> {
    let generation = packages::Directory::read(&mut io::Cursor::new(packages))?.generation();
    let tables = Tables::parse(index)?;
    if tables.generation != generation {
        return Err(fault("has indexes of another generation, which rpm makes anew at each question"));
    }
    let parse = |blob: Blob| super::parse(Path::new(super::FILE_NAME), blob.number, blob.header);
    let headers: Vec<(u32, Header)> =
        blobs(packages)?.into_iter().map(parse).collect::<Result<_, _>>().map_err(io::Error::other)?;
    for index in INDEXES {
        let found = tables.rows(index.tag.0)?;
        let found = found.ok_or_else(|| fault(&format!("has no index `{}`", index.name)))?;
        let mut expected = BTreeSet::new();
        for (number, header) in &headers {
            expected.extend(rows(header, index).into_iter().map(|row| (row.key, *number, row.at)));
        }
        let same = found.len() == expected.len()
            && found
                .iter()
                .zip(&expected)
                .all(|(row, (key, number, at))| (row.key, row.number, row.at) == (key, *number, *at));
        if !same {
            return Err(fault(&format!("has an index `{}` that is not its headers'", index.name)));
        }
    }
    Ok(())
}
