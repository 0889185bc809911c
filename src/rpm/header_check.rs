//! The rules that make a header's bytes safe to read: rpm's `hdrblobInit` and `hdrblobVerify*` (`lib/header.cc`, 6.1).

use super::{
    Tag,
    header::{ENTRY_SIZE, Entry, Limits, MAX_VALUES, Region, Type},
};

/// What [`check`] found out.
pub(super) struct Checked {
    /// Where the data starts.
    pub(super) data: usize,
    pub(super) region: Option<Region>,
    pub(super) entries: Vec<Entry>,
    pub(super) dribbles: Vec<Entry>,
}

/// An index entry as it is in the file.
#[derive(Clone, Copy)]
struct Info {
    tag: u32,
    kind: u32,
    offset: i32,
    count: u32,
}

impl Info {
    fn read(bytes: &[u8; ENTRY_SIZE]) -> Self {
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Self { tag: word(0), kind: word(4), offset: word(8).cast_signed(), count: word(12) }
    }

    fn is_region(&self, tag: u32) -> bool {
        self.tag == tag && self.kind == Type::Bin as u32 && self.count as usize == ENTRY_SIZE
    }
}

impl std::fmt::Display for Info {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tag {} type {} offset {} count {}", Tag(self.tag), self.kind, self.offset, self.count)
    }
}

/// The two counts at a header's start, when they are within limits.
pub(super) fn counts(intro: [u8; 8], limits: Limits) -> Result<(usize, usize), String> {
    let [a, b, c, d, e, f, g, h] = intro;
    let (entries, data) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
    if entries == 0 || entries > limits.entries {
        return Err(format!("{entries} entries, expected 1 to {}", limits.entries));
    }
    if data > limits.data {
        return Err(format!("{data} bytes of data, expected at most {}", limits.data));
    }
    Ok((entries as usize, data as usize))
}

/// Checks a whole header.
pub(super) fn check(blob: &[u8], limits: Limits) -> Result<Checked, String> {
    let (intro, rest) = blob.split_first_chunk::<8>().ok_or("shorter than its counts")?;
    let (entry_count, data_len) = counts(*intro, limits)?;
    let expected = entry_count * ENTRY_SIZE + data_len;
    if rest.len() != expected {
        return Err(format!("{} bytes, expected {}", blob.len(), 8 + expected));
    }
    let (index, data) = rest.split_at(entry_count * ENTRY_SIZE);
    let infos: Vec<Info> = index.as_chunks::<ENTRY_SIZE>().0.iter().map(Info::read).collect();
    let region = region(&infos, data)?;
    let all = entries(&infos, data, region)?;
    let in_region = region.map_or(all.len(), |region| region.entries - 1);
    let dribbles = all[in_region..].to_vec();
    Ok(Checked { data: 8 + index.len(), region, entries: by_tag(&all[..in_region], &dribbles), dribbles })
}

/// The region that the first entry names, if it names one.
fn region(infos: &[Info], data: &[u8]) -> Result<Option<Region>, String> {
    let first = infos[0];
    let regions = [Tag::HEADERSIGNATURES, Tag::HEADERIMMUTABLE, Tag::HEADERIMAGE];
    if !regions.contains(&Tag(first.tag)) {
        return Ok(None);
    }
    if !first.is_region(first.tag) {
        return Err(format!("region: {first}"));
    }
    let start = usize::try_from(first.offset).map_err(|_| format!("region: {first}"))?;
    let bytes =
        data.get(start..).and_then(|rest| rest.first_chunk::<ENTRY_SIZE>()).ok_or("region ends after the data")?;
    let trailer = Info::read(bytes);
    // Packages of about 2000 have `HEADERIMAGE` in the trailer of the signature header.
    let tag_fits =
        trailer.is_region(first.tag) || first.tag == Tag::HEADERSIGNATURES.0 && trailer.is_region(Tag::HEADERIMAGE.0);
    let covered = trailer.offset.checked_neg().and_then(|covered| usize::try_from(covered).ok());
    let covered =
        covered.filter(|covered| tag_fits && covered % ENTRY_SIZE == 0).ok_or(format!("region trailer: {trailer}"))?;
    let entries = covered / ENTRY_SIZE;
    if entries == 0 || entries > infos.len() {
        return Err(format!("region of {entries} entries in a header of {}", infos.len()));
    }
    Ok(Some(Region { tag: Tag(first.tag), entries, data: start + ENTRY_SIZE }))
}

/// All entries but the region's own, each checked: in order, in bounds, overlapping neither each other nor the trailer.
fn entries(infos: &[Info], data: &[u8], region: Option<Region>) -> Result<Vec<Entry>, String> {
    let mut end = 0;
    let mut entries = Vec::with_capacity(infos.len());
    for info in &infos[usize::from(region.is_some())..] {
        let entry = entry(info, data).ok_or_else(|| info.to_string())?;
        let over_trailer = region
            .is_some_and(|region| entry.offset < region.data && entry.offset + entry.len > region.data - ENTRY_SIZE);
        if entry.offset < end || over_trailer {
            return Err(format!("overlapping data: {info}"));
        }
        end = entry.offset + entry.len;
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(info: &Info, data: &[u8]) -> Option<Entry> {
    let kind = Type::from_number(info.kind)?;
    let offset = usize::try_from(info.offset).ok()?;
    let rest = data.get(offset..)?;
    let count = usize::try_from(info.count).ok()?;
    let too_many = kind != Type::Bin && info.count > MAX_VALUES;
    if info.tag < Tag::HEADERI18NTABLE.0
        || count == 0
        || count > data.len()
        || too_many
        || offset % kind.alignment() != 0
    {
        return None;
    }
    let len = match kind.size() {
        Some(size) => size.checked_mul(count)?,
        None if kind == Type::String && count != 1 => return None,
        None => strings_len(rest, count)?,
    };
    (len <= rest.len()).then_some(Entry { tag: Tag(info.tag), kind, offset, count, len })
}

/// Bytes that `count` strings and their ends take.
fn strings_len(bytes: &[u8], count: usize) -> Option<usize> {
    let mut len = 0;
    for _ in 0..count {
        len += bytes[len..].iter().position(|&byte| byte == 0)? + 1;
    }
    Some(len)
}

/// One entry a tag: of several the first, but a dribble before any entry of the region.
fn by_tag(region: &[Entry], dribbles: &[Entry]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = dribbles.iter().chain(region).copied().collect();
    entries.sort_by_key(|entry| entry.tag);
    entries.dedup_by_key(|entry| entry.tag);
    entries
}
