//! Headers → `Index.db`: one hash table an index, from a key to packages and which of their values it is.
//!
//! Layout: rpm 6.1, `lib/backend/ndb/rpmxdb.c` (the file: slots that say where the tables are) and `rpmidx.c` (a table:
//! its header, slots of 8 bytes, their overflow of 4, then the keys). Sizes are those that rpm gives a table when it makes
//! it anew (`rpmidxRebuildInternal`). All numbers are little-endian.

use std::{
    collections::{HashMap, HashSet},
    io,
};

use crate::{
    rpm::Header,
    rpmdb::index::{INDEXES, Index, rows},
};

/// Pages of the file: the usual size of a processor's; rpm reads others, too.
const PAGE: usize = 4096;
/// `XDB_MAGIC`, `SLOT_MAGIC` (its fourth byte is the table's kind, 0) and `XDB_HEADER_SIZE`.
pub(super) const MAGIC: [u8; 4] = *b"RpmX";
pub(super) const SLOT_MAGIC: [u8; 4] = *b"Slo\0";
pub(super) const FILE_HEADER: usize = 32;
/// `IDXDB_MAGIC`, `IDXDB_SLOT_OFFSET`, `IDXDB_KEY_CHUNKSIZE`.
pub(super) const TABLE_MAGIC: [u8; 4] = *b"RpmI";
pub(super) const TABLE_HEADER: usize = 64;
const KEY_CHUNK: usize = 4096;
/// `MURMUR_M`.
const MURMUR: u32 = 0x5bd1_e995;

/// The file for packages that have the numbers 1 and following. `generation` is that of `Packages.db`: with another, rpm
/// would make all tables anew.
pub(super) fn file(headers: &[&Header], generation: u32) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.extend(MAGIC);
    // Version, the file's own generation, pages of slots, size of a page, generation of the packages.
    bytes.extend([0, 1, 1, PAGE as u32, generation].map(u32::to_le_bytes).as_flattened());
    bytes.resize(FILE_HEADER, 0);
    let mut tables = Vec::new();
    for index in INDEXES {
        let table = table(headers, index)?;
        let pages = [1 + tables.len() / PAGE, table.len() / PAGE].map(|pages| pages as u32);
        bytes.extend(SLOT_MAGIC);
        bytes.extend([index.tag.0, pages[0], pages[1]].map(u32::to_le_bytes).as_flattened());
        tables.extend(table);
    }
    while bytes.len() < PAGE {
        bytes.extend(SLOT_MAGIC);
        bytes.extend([0; 12]);
    }
    bytes.extend(tables);
    Ok(bytes)
}

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    key: u32,
    data: u32,
    overflow: u32,
}

fn table(headers: &[&Header], index: Index) -> io::Result<Vec<u8>> {
    let mut keys: Vec<u8> = vec![0]; // no key is at 0
    let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut seen = HashSet::new();
    let mut entries: Vec<(u32, Entry)> = Vec::new();
    for (number, header) in (1..).zip(headers) {
        for row in rows(header, index) {
            let hash = murmur(&row.key);
            let key = match known.get(&row.key) {
                Some(key) => *key,
                None => {
                    let key = u32::try_from(keys.len()).map_err(io::Error::other)?;
                    add_key(&mut keys, &row.key);
                    known.insert(row.key, key);
                    key
                }
            };
            let (data, overflow) = encoded(number, row.at);
            let entry = Entry { key, data, overflow };
            if seen.insert(entry) {
                entries.push((hash, entry));
            }
        }
    }
    laid_out(&entries, &keys)
}

/// A table with at most half of its slots used.
fn laid_out(entries: &[(u32, Entry)], keys: &[u8]) -> io::Result<Vec<u8>> {
    let most = entries.len().max(256);
    let slots = 4usize << most.ilog2();
    let before = TABLE_HEADER + slots * 12;
    let length = (before + keys.len().max(KEY_CHUNK)).next_multiple_of(PAGE);
    // Bits of the hash that a key's offset leaves free, with 8 KiB for keys to come.
    let mut offsets = 0x1_0000u32;
    while (offsets as usize) < length - before + 8192 {
        offsets = offsets.checked_mul(2).ok_or_else(|| io::Error::other("too many keys"))?;
    }
    let mask = !(offsets - 1);
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(TABLE_MAGIC);
    // Version, generation, slots, used ones, freed ones, mask, end of the keys, bytes of freed keys.
    let header = [0, 1, slots as u32, entries.len() as u32, 0, mask, keys.len() as u32, 0];
    bytes.extend(header.map(u32::to_le_bytes).as_flattened());
    bytes.resize(before, 0);
    for (hash, entry) in entries {
        let at = free_slot(&bytes, *hash, slots);
        let slot = TABLE_HEADER + at * 8;
        let words = [entry.key | hash & mask, entry.data].map(u32::to_le_bytes);
        bytes[slot..slot + 8].copy_from_slice(words.as_flattened());
        let overflow = TABLE_HEADER + slots * 8 + at * 4;
        bytes[overflow..overflow + 4].copy_from_slice(&entry.overflow.to_le_bytes());
    }
    bytes.extend(keys);
    bytes.resize(length, 0);
    Ok(bytes)
}

/// The first free slot on a key's way; there is one, since half of them stay free.
fn free_slot(bytes: &[u8], hash: u32, slots: usize) -> usize {
    let mask = slots - 1;
    let (mut at, mut step) = (hash as usize & mask, 7);
    while bytes[TABLE_HEADER + at * 8..][..4] != [0; 4] {
        at = (at + step) & mask;
        step += 1;
    }
    at
}

/// A key with its length before it.
fn add_key(keys: &mut Vec<u8>, key: &[u8]) {
    match key.len() {
        length @ 1..255 => keys.push(length as u8),
        length @ (0 | 255..65_535) => {
            keys.push(255);
            keys.extend((length as u16).to_le_bytes());
        }
        length => {
            keys.extend([255; 3]);
            keys.extend((length as u32).to_le_bytes());
        }
    }
    keys.extend(key);
}

/// A package's number and which of its values, in one word where they are small enough.
fn encoded(number: u32, at: u32) -> (u32, u32) {
    match (number, at) {
        (..0x10_0000, ..0x400) => (number | at << 20, 0),
        (..0x100_0000, ..0x40) => (number | at << 24 | 0x4000_0000, 0),
        _ => (at | 0x8000_0000, number),
    }
}

/// The hash of keys (`murmurhash`).
pub(super) fn murmur(key: &[u8]) -> u32 {
    let stir = |hash: u32, word: u32, shift: u32| {
        let hash = hash.wrapping_add(word).wrapping_mul(MURMUR);
        hash ^ hash >> shift
    };
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = (key.len() as u32).wrapping_mul(MURMUR);
    for word in words {
        hash = stir(hash, u32::from_le_bytes(*word), 16);
    }
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        hash = stir(hash, u32::from_le_bytes(word), 16);
    }
    stir(stir(hash, 0, 10), 0, 17)
}
