//! The bytes of a header → entries by tag, checked once so that every later access is in bounds.
//!
//! A header is two big-endian counts (entries, bytes of data), 16 bytes an entry (tag, type, offset, count) and the
//! data. The first entry may name a *region*: the part that was digested and signed, whose 16-byte trailer in the
//! data says how many entries belong to it. Entries after the region (*dribbles*) are what rpm added when it
//! installed the package; they replace region entries of the same tag.

use std::{borrow::Cow, sync::Arc};

use super::{Error, Result, Tag};

/// What a header starts with in a file; the database leaves it out.
pub(crate) const MAGIC: [u8; 8] = [0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0];

/// Bytes of an index entry and of a region's trailer. Fixed by the format.
pub(crate) const ENTRY_SIZE: usize = 16;

/// Most values that a single entry may have (rpm's `HEADER_ARRAY_MAX`), binary data excepted.
pub(crate) const MAX_VALUES: u32 = 0x000f_ffff;

/// How large a header may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Index entries.
    pub entries: u32,
    /// Bytes of data.
    pub data: u32,
}

impl Limits {
    /// rpm's bounds for a package's main header (`HEADER_TAGS_MAX`, `HEADER_DATA_MAX` in `lib/header.cc`).
    pub const MAIN: Self = Self { entries: 0xffff, data: 0x0fff_ffff };

    /// rpm's bounds for the signature header (`hdrblobVerifyLengths`).
    pub const SIGNATURE: Self = Self { entries: 32, data: 64 << 20 };
}

/// Types of values; the numbers are the format's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names are rpm's")]
pub enum Type {
    Char = 1,
    Int8 = 2,
    Int16 = 3,
    Int32 = 4,
    Int64 = 5,
    String = 6,
    Bin = 7,
    StringArray = 8,
    I18nString = 9,
}

impl Type {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        use Type::*;
        [Char, Int8, Int16, Int32, Int64, String, Bin, StringArray, I18nString]
            .into_iter()
            .find(|it| *it as u32 == number)
    }

    /// Bytes of one value, or nothing for strings.
    pub(crate) fn size(self) -> Option<usize> {
        match self {
            Self::Char | Self::Int8 | Self::Bin => Some(1),
            Self::Int16 => Some(2),
            Self::Int32 => Some(4),
            Self::Int64 => Some(8),
            Self::String | Self::StringArray | Self::I18nString => None,
        }
    }

    /// What offsets of such data are multiples of.
    pub(crate) fn alignment(self) -> usize {
        self.size().unwrap_or(1)
    }
}

/// A value of an entry that is added to a header.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "one variant a type")]
pub enum Value {
    Char(Vec<u8>),
    Int16(Vec<u16>),
    Int32(Vec<u32>),
    Int64(Vec<u64>),
    String(Vec<u8>),
    I18nString(Vec<u8>),
    Bin(Vec<u8>),
    StringArray(Vec<Vec<u8>>),
}

/// Where an entry's data lies; all of it was checked to be inside the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) tag: Tag,
    pub(crate) kind: Type,
    /// From the start of the data.
    pub(crate) offset: usize,
    pub(crate) count: usize,
    /// Bytes.
    pub(crate) len: usize,
}

/// The region of a header: its first entries and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub(crate) tag: Tag,
    /// Entries, the region's own included.
    pub(crate) entries: usize,
    /// Bytes of data, the trailer included.
    pub(crate) data: usize,
}

/// A header whose structure was checked.
#[derive(Clone)]
pub struct Header {
    /// Counts, entries, data; without the magic.
    blob: Arc<[u8]>,
    data: usize,
    pub(crate) region: Option<Region>,
    /// Sorted by tag, one a tag.
    entries: Vec<Entry>,
    /// Those after the region.
    pub(crate) dribbles: Vec<Entry>,
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Header({}, {} entries, {} bytes)", self.label(), self.entries.len(), self.blob.len())
    }
}

impl Header {
    /// Checks a header's bytes, which start with its counts: a blob of the database, or what follows the magic.
    ///
    /// # Errors
    /// Anything that rpm's `hdrblobInit` refuses: counts, types, alignment, order, data out of bounds or
    /// overlapping, strings without an end, a region that doesn't fit.
    pub fn parse(blob: impl Into<Arc<[u8]>>, part: &'static str, limits: Limits) -> Result<Self> {
        let blob = blob.into();
        super::header_check::check(&blob, limits)
            .map(|checked| Self {
                data: checked.data,
                region: checked.region,
                entries: checked.entries,
                dribbles: checked.dribbles,
                blob,
            })
            .map_err(|fault| Error::Header { part, fault })
    }

    /// The bytes as the database stores them.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// Shared ownership of [`Self::blob`].
    pub fn shared_blob(&self) -> Arc<[u8]> {
        Arc::clone(&self.blob)
    }

    pub(crate) fn data(&self) -> &[u8] {
        &self.blob[self.data..]
    }

    pub(crate) fn entry(&self, tag: Tag) -> Option<&Entry> {
        self.entries.binary_search_by_key(&tag, |entry| entry.tag).ok().map(|at| &self.entries[at])
    }

    pub(crate) fn raw(&self, entry: &Entry) -> &[u8] {
        &self.data()[entry.offset..entry.offset + entry.len]
    }

    /// Whether there is an entry.
    pub fn has(&self, tag: Tag) -> bool {
        self.entry(tag).is_some()
    }

    /// All tags, ascending.
    pub fn tags(&self) -> impl Iterator<Item = Tag> + '_ {
        self.entries.iter().map(|entry| entry.tag)
    }

    /// How many values an entry has; 0 when it isn't there.
    pub fn count(&self, tag: Tag) -> usize {
        self.entry(tag).map_or(0, |entry| entry.count)
    }

    /// The bytes of the first string; of a translated one, the untranslated.
    pub fn bytes(&self, tag: Tag) -> Option<&[u8]> {
        self.strings(tag)?.next()
    }

    /// The first string as text; old packages aren't UTF-8, so what isn't becomes U+FFFD.
    pub fn string(&self, tag: Tag) -> Option<Cow<'_, str>> {
        self.bytes(tag).map(String::from_utf8_lossy)
    }

    /// All strings of an entry: of an array its elements, of a translated one its languages.
    pub fn strings(&self, tag: Tag) -> Option<impl Iterator<Item = &[u8]> + Clone> {
        let entry = self.entry(tag).filter(|entry| entry.kind.size().is_none())?;
        let mut strings = self.raw(entry).split(|&byte| byte == 0);
        // What follows the last end isn't a string.
        strings.next_back();
        Some(strings)
    }

    /// All strings as text; empty when there is no such entry.
    pub fn string_array(&self, tag: Tag) -> Vec<String> {
        self.strings(tag).into_iter().flatten().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// A translated string in a language, else untranslated. `language` is as in `HEADERI18NTABLE`: `C`, `de`, …
    pub fn i18n(&self, tag: Tag, language: &str) -> Option<Cow<'_, str>> {
        let table = self.strings(Tag::HEADERI18NTABLE);
        let at = table.and_then(|mut table| table.position(|it| it == language.as_bytes())).unwrap_or(0);
        let text = self.strings(tag)?.nth(at).filter(|text| !text.is_empty());
        text.map(String::from_utf8_lossy).or_else(|| self.string(tag))
    }

    /// Binary data.
    pub fn bin(&self, tag: Tag) -> Option<&[u8]> {
        self.entry(tag)
            .filter(|entry| matches!(entry.kind, Type::Bin | Type::Char | Type::Int8))
            .map(|entry| self.raw(entry))
    }

    fn words<const N: usize>(&self, tag: Tag, kind: Type) -> Option<impl ExactSizeIterator<Item = [u8; N]>> {
        let entry = self.entry(tag).filter(|entry| entry.kind == kind)?;
        Some(self.raw(entry).as_chunks::<N>().0.iter().copied())
    }

    /// 16-bit values.
    pub fn u16s(&self, tag: Tag) -> Option<Vec<u16>> {
        self.words(tag, Type::Int16).map(|words| words.map(u16::from_be_bytes).collect())
    }

    /// 32-bit values.
    pub fn u32s(&self, tag: Tag) -> Option<Vec<u32>> {
        self.words(tag, Type::Int32).map(|words| words.map(u32::from_be_bytes).collect())
    }

    /// 64-bit values; 32-bit ones are widened.
    pub fn u64s(&self, tag: Tag) -> Option<Vec<u64>> {
        match self.words(tag, Type::Int64) {
            Some(words) => Some(words.map(u64::from_be_bytes).collect()),
            None => self.u32s(tag).map(|words| words.into_iter().map(u64::from).collect()),
        }
    }

    /// The first number of an entry of whatever width.
    pub fn number(&self, tag: Tag) -> Option<u64> {
        let entry = self.entry(tag)?;
        let width = entry.kind.size().filter(|_| entry.kind != Type::Bin)?;
        Some(self.raw(entry)[..width].iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    /// A package's name, or nothing.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        self.string(Tag::NAME)
    }

    /// Architecture: `x86_64`, `noarch`, …; nothing for a `gpg-pubkey`.
    pub fn arch(&self) -> Option<Cow<'_, str>> {
        self.string(Tag::ARCH)
    }

    /// Epoch, version and release.
    pub fn evr(&self) -> super::Evr {
        super::Evr {
            epoch: self.number(Tag::EPOCH).and_then(|epoch| u32::try_from(epoch).ok()),
            version: self.string(Tag::VERSION).unwrap_or_default().into_owned(),
            release: self.string(Tag::RELEASE).unwrap_or_default().into_owned(),
        }
    }

    /// `name-[epoch:]version-release.arch`, for messages.
    pub fn label(&self) -> String {
        let name = self.name().unwrap_or(Cow::Borrowed("?"));
        match self.arch() {
            Some(arch) => format!("{name}-{}.{arch}", self.evr()),
            None => format!("{name}-{}", self.evr()),
        }
    }
}
