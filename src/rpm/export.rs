//! Header + what an installation adds → the bytes that go into the database.
//!
//! As rpm's `headerExport` does it (`doExport`, `lib/header.cc`): the region comes first, untouched, so that its
//! digests and signatures stay valid; then the added entries, ascending by tag, each aligned to its type.

use super::{
    Error, Header, Package, Result, Tag, Value,
    header::{ENTRY_SIZE, Limits, Type},
    tag::signature,
};

impl Value {
    fn kind(&self) -> Type {
        match self {
            Self::Char(_) => Type::Char,
            Self::Int16(_) => Type::Int16,
            Self::Int32(_) => Type::Int32,
            Self::Int64(_) => Type::Int64,
            Self::String(_) => Type::String,
            Self::I18nString(_) => Type::I18nString,
            Self::Bin(_) => Type::Bin,
            Self::StringArray(_) => Type::StringArray,
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Char(values) | Self::Bin(values) => values.len(),
            Self::Int16(values) => values.len(),
            Self::Int32(values) => values.len(),
            Self::Int64(values) => values.len(),
            Self::String(_) | Self::I18nString(_) => 1,
            Self::StringArray(values) => values.len(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Char(values) | Self::Bin(values) => values.clone(),
            Self::Int16(values) => values.iter().flat_map(|value| value.to_be_bytes()).collect(),
            Self::Int32(values) => values.iter().flat_map(|value| value.to_be_bytes()).collect(),
            Self::Int64(values) => values.iter().flat_map(|value| value.to_be_bytes()).collect(),
            Self::String(value) | Self::I18nString(value) => [value.as_slice(), &[0]].concat(),
            Self::StringArray(values) => values.iter().flat_map(|value| value.iter().copied().chain([0])).collect(),
        }
    }
}

/// Entry and data of something that follows the region.
struct Dribble {
    tag: Tag,
    kind: Type,
    count: usize,
    bytes: Vec<u8>,
}

impl Header {
    /// A header of these entries, sealed as a region: what rpm makes for things that never were in a file.
    ///
    /// # Errors
    /// Empty values, or more than a header can hold.
    pub fn build(entries: &[(Tag, Value)]) -> Result<Self> {
        let (mut index, mut data) = (Vec::new(), Vec::new());
        let mut entries: Vec<&(Tag, Value)> = entries.iter().collect();
        entries.sort_by_key(|(tag, _)| *tag);
        for (tag, value) in entries {
            data.resize(data.len().next_multiple_of(value.kind().alignment()), 0);
            push_entry(&mut index, *tag, value.kind(), data.len() as u32, value.count());
            data.extend(value.bytes());
        }
        // Without a region, as a file of rpm 3 is; storing it seals it.
        Self::parse(joined(&index, &data), "header to be sealed", Limits::MAIN)?.with(&[])
    }

    /// This header with more entries; one of the same tag is replaced.
    ///
    /// # Errors
    /// Empty values, or more than a header can hold.
    pub fn with(&self, added: &[(Tag, Value)]) -> Result<Self> {
        let mut dribbles: Vec<Dribble> = added
            .iter()
            .map(|(tag, value)| Dribble { tag: *tag, kind: value.kind(), count: value.count(), bytes: value.bytes() })
            .collect();
        for old in self.dribbles.iter().filter(|old| added.iter().all(|(tag, _)| *tag != old.tag)) {
            let bytes = self.raw(old).to_vec();
            dribbles.push(Dribble { tag: old.tag, kind: old.kind, count: old.count, bytes });
        }
        dribbles.sort_by_key(|dribble| dribble.tag);
        if let Some(empty) = dribbles.iter().find(|dribble| dribble.count == 0) {
            return Err(Error::entry(empty.tag, "an entry without a value"));
        }
        let (mut index, mut data) = self.sealed();
        for dribble in dribbles {
            data.resize(data.len().next_multiple_of(dribble.kind.alignment()), 0);
            push_entry(&mut index, dribble.tag, dribble.kind, data.len() as u32, dribble.count);
            data.extend(dribble.bytes);
        }
        Self::parse(joined(&index, &data), "header to be stored", Limits::MAIN)
    }

    /// Entries and data of the region; a header of rpm 3 or older, which has none, is made into one.
    fn sealed(&self) -> (Vec<u8>, Vec<u8>) {
        let all = &self.blob()[8..self.blob().len() - self.data().len()];
        if let Some(region) = self.region {
            return (all[..region.entries * ENTRY_SIZE].to_vec(), self.data()[..region.data].to_vec());
        }
        let mut data = self.data().to_vec();
        let mut index = Vec::with_capacity(all.len() + ENTRY_SIZE);
        push_entry(&mut index, Tag::HEADERIMMUTABLE, Type::Bin, data.len() as u32, ENTRY_SIZE);
        index.extend_from_slice(all);
        let covered = (index.len() as u32).cast_signed();
        push_entry(&mut data, Tag::HEADERIMMUTABLE, Type::Bin, covered.wrapping_neg().cast_unsigned(), ENTRY_SIZE);
        (index, data)
    }

    /// This header with other numbers in entries that are there, outside the region and 32 bits wide; all else stays
    /// byte for byte. Tags without such an entry are left alone.
    #[must_use]
    pub fn with_numbers(&self, numbers: &[(Tag, u32)]) -> Self {
        let mut blob = self.blob().to_vec();
        let data = blob.len() - self.data().len();
        for (tag, number) in numbers {
            for entry in self.dribbles.iter().filter(|it| it.tag == *tag && it.kind == Type::Int32 && it.count == 1) {
                blob[data + entry.offset..][..4].copy_from_slice(&number.to_be_bytes());
            }
        }
        Self::parse(blob, "header to be stored", Limits::MAIN).expect("only values changed, not the structure")
    }
}

/// Counts, index and data as a blob.
fn joined(index: &[u8], data: &[u8]) -> Vec<u8> {
    let counts = [(index.len() / ENTRY_SIZE) as u32, data.len() as u32];
    [counts.map(u32::to_be_bytes).as_flattened(), index, data].concat()
}

fn push_entry(index: &mut Vec<u8>, tag: Tag, kind: Type, offset: u32, count: usize) {
    for word in [tag.0, kind as u32, offset, count as u32] {
        index.extend(word.to_be_bytes());
    }
}

/// What becomes of the signature header's entries in the database: rpm 6.1, `lib/package.cc`, `xlateTags`.
/// Signature tag, database tag, its type, and how many values it has (0: any).
const MERGED: [(Tag, Tag, Type, usize); 17] = [
    (signature::SIZE, Tag::SIGSIZE, Type::Int32, 1),
    (signature::PGP, Tag::SIGPGP, Type::Bin, 0),
    (signature::MD5, Tag::SIGMD5, Type::Bin, 16),
    (signature::GPG, Tag::SIGGPG, Type::Bin, 0),
    (signature::PAYLOADSIZE, Tag::ARCHIVESIZE, Type::Int32, 1),
    (signature::FILESIGNATURES, Tag::FILESIGNATURES, Type::StringArray, 0),
    (signature::FILESIGNATURELENGTH, Tag::FILESIGNATURELENGTH, Type::Int32, 1),
    (Tag::VERITYSIGNATURES, Tag::VERITYSIGNATURES, Type::StringArray, 0),
    (Tag::VERITYSIGNATUREALGO, Tag::VERITYSIGNATUREALGO, Type::Int32, 1),
    (Tag::SHA1HEADER, Tag::SHA1HEADER, Type::String, 1),
    (Tag::SHA256HEADER, Tag::SHA256HEADER, Type::String, 1),
    (Tag::SHA3_256HEADER, Tag::SHA3_256HEADER, Type::String, 1),
    (Tag::DSAHEADER, Tag::DSAHEADER, Type::Bin, 0),
    (Tag::RSAHEADER, Tag::RSAHEADER, Type::Bin, 0),
    (Tag::LONGSIGSIZE, Tag::LONGSIGSIZE, Type::Int64, 1),
    (Tag::LONGARCHIVESIZE, Tag::LONGARCHIVESIZE, Type::Int64, 1),
    (Tag::OPENPGP, Tag::OPENPGP, Type::StringArray, 0),
];

/// From this number on, tags of the signature header belong to packages of version 4 and older.
const LEGACY_SIGNATURES: u32 = 1000;

/// What the installation of a package adds to its header in the database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installation {
    /// Seconds since 1970.
    pub time: u32,
    /// The transaction's id: in rpm its start in seconds since 1970.
    pub transaction: u32,
    /// Which ELF classes the transaction preferred: 0 where there is one, 3 for x86_64 with 32-bit libraries.
    pub color: u32,
    /// One `RPMFILE_STATE_*` a file, in the header's order; see [`FileState`].
    pub file_states: Vec<FileState>,
}

/// What became of a file, as `FILESTATES` says it (`rpmfileState_e`, rpm 6.1, `include/rpm/rpmfiles.h`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum FileState {
    /// It is there.
    #[default]
    Normal = 0,
    /// Another package's file took its place.
    Replaced = 1,
    /// Left out: `%lang`, `--excludedocs`.
    NotInstalled = 2,
    /// On a shared file system.
    NetShared = 3,
    /// Of an ELF class that the transaction didn't prefer.
    WrongColor = 4,
}

impl Package {
    /// The header as the database stores it once the package is installed: signatures and digests merged in, and
    /// what the installation adds.
    ///
    /// # Errors
    /// Signature entries of unexpected type or size, or that the main header has too.
    pub fn installed(&self, installation: &Installation) -> Result<Header> {
        let mut added = self.merged_signatures()?;
        let states: Vec<u8> = installation.file_states.iter().map(|state| *state as u8).collect();
        if !states.is_empty() {
            added.push((Tag::FILESTATES, Value::Char(states)));
        }
        // A relocatable package that isn't relocated (rpm 6.1, `lib/relocation.cc`).
        if let Some(prefixes) = self.header.strings(Tag::PREFIXES).filter(|_| !self.header.has(Tag::INSTPREFIXES)) {
            added.push((Tag::INSTPREFIXES, Value::StringArray(prefixes.map(<[u8]>::to_vec).collect())));
        }
        added.push((Tag::INSTALLTIME, Value::Int32(vec![installation.time])));
        added.push((Tag::INSTALLTID, Value::Int32(vec![installation.transaction])));
        added.push((Tag::INSTALLCOLOR, Value::Int32(vec![installation.color])));
        self.header.with(&added)
    }

    fn merged_signatures(&self) -> Result<Vec<(Tag, Value)>> {
        let is_version_6 = self.header.number(Tag::RPMFORMAT).is_some_and(|format| format >= 6);
        let mut added = Vec::new();
        for (from, to, kind, count) in MERGED {
            let Some(entry) = self.signature.entry(from) else { continue };
            if is_version_6 && from.0 >= LEGACY_SIGNATURES {
                continue;
            }
            if self.header.has(to) {
                return Err(Error::entry(to, "both in the header and in the signature header"));
            }
            if entry.kind != kind || count != 0 && entry.count != count {
                return Err(Error::entry(
                    to,
                    format!("{} values of type {:?} in the signature header", entry.count, entry.kind),
                ));
            }
            let bytes = self.signature.raw(entry);
            added.push((to, copied(kind, bytes)));
        }
        Ok(added)
    }
}

/// A value from an entry's bytes.
fn copied(kind: Type, bytes: &[u8]) -> Value {
    let strings = || bytes.split(|&byte| byte == 0);
    match kind {
        Type::Int32 => Value::Int32(bytes.as_chunks().0.iter().map(|word| u32::from_be_bytes(*word)).collect()),
        Type::Int64 => Value::Int64(bytes.as_chunks().0.iter().map(|word| u64::from_be_bytes(*word)).collect()),
        Type::String => Value::String(strings().next().unwrap_or_default().to_vec()),
        Type::StringArray => {
            let mut all: Vec<Vec<u8>> = strings().map(<[u8]>::to_vec).collect();
            all.pop();
            Value::StringArray(all)
        }
        _ => Value::Bin(bytes.to_vec()),
    }
}
