//! Header → the files that a package says it has.

use std::{collections::BTreeMap, sync::Arc};

use super::{Error, Header, Result, Tag, digest::Algorithm};
use crate::tree::RelPath;

/// A file of a package, as the header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its place in the header's arrays: what a stripped cpio record and `FILESTATES` count by.
    pub index: u32,
    /// Where it belongs, below the root.
    pub path: RelPath,
    /// What it is.
    pub kind: FileKind,
    /// Permission bits with set-user-id, set-group-id and sticky; no file type.
    pub mode: u32,
    /// Bytes; of a symbolic link its target's length, of a directory whatever the build host had.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// Owner by name.
    pub user: String,
    /// Group by name.
    pub group: String,
    /// Digest of the content; only regular files have one.
    pub digest: Option<FileDigest>,
    /// `%config`, `%ghost`, …
    pub flags: FileFlags,
    /// What `rpm -V` compares: `RPMVERIFY_*`.
    pub verify_flags: u32,
    /// File system and inode on the build host: regular files that agree in both are hard links of each other.
    pub inode: (u32, u32),
    /// Capabilities as text (`cap_net_raw=ep`); empty when it has none.
    pub caps: String,
    /// 1 for 32-bit and 2 for 64-bit ELF files, else 0.
    pub color: u32,
    /// What `file` said of it.
    pub class: Arc<str>,
    /// Languages (`%lang`), separated by `|`; empty for all.
    pub language: String,
    /// IMA signature in hexadecimal; empty when it has none.
    pub ima_signature: String,
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// With content in the payload, unless it is a ghost.
    Regular,
    /// A folder.
    Directory,
    /// A symbolic link.
    Symlink {
        /// As it is stored in the link.
        target: Vec<u8>,
    },
    /// A character device.
    CharDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// A file's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDigest {
    /// How it was made; nothing for an algorithm that isn't known here.
    pub algorithm: Option<Algorithm>,
    /// Lower-case hexadecimal.
    pub hex: String,
}

/// `RPMFILE_*`, rpm 6.1, `include/rpm/rpmfiles.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileFlags(pub u32);

impl FileFlags {
    /// `%config`: not to be lost on updates.
    pub fn is_config(self) -> bool {
        self.0 & 1 != 0
    }

    /// `%doc`.
    pub fn is_doc(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// `%config(missingok)`.
    pub fn is_missing_ok(self) -> bool {
        self.0 & 1 << 3 != 0
    }

    /// `%config(noreplace)`: what is there stays, the package's becomes `.rpmnew`.
    pub fn is_noreplace(self) -> bool {
        self.0 & 1 << 4 != 0
    }

    /// `%ghost`: owned but not in the payload.
    pub fn is_ghost(self) -> bool {
        self.0 & 1 << 6 != 0
    }

    /// `%license`.
    pub fn is_license(self) -> bool {
        self.0 & 1 << 7 != 0
    }

    /// `%artifact`: a by-product of the build, such as a build-id link.
    pub fn is_artifact(self) -> bool {
        self.0 & 1 << 12 != 0
    }
}

/// Longest path: Linux's `PATH_MAX`.
const MAX_PATH: usize = 4096;

/// Most bytes of all paths of a package. Folders are shared in the header, so it bounds files but not paths; the largest
/// real packages have 20 MB.
const MAX_PATHS: usize = 256 << 20;

/// All files of a package, in the header's order.
///
/// # Errors
/// Arrays of different lengths, a folder index that points nowhere, a path that climbs, an unknown file type.
pub fn files(header: &Header) -> Result<Vec<FileEntry>> {
    let paths = paths(header)?;
    let columns = Columns::read(header, paths.len())?;
    paths.into_iter().enumerate().map(|(index, path)| columns.entry(index, path)).collect()
}

/// The paths of all files, in the header's order.
///
/// # Errors
/// As [`files`].
pub fn paths(header: &Header) -> Result<Vec<RelPath>> {
    if !header.has(Tag::BASENAMES) {
        return header
            .strings(Tag::OLDFILENAMES)
            .into_iter()
            .flatten()
            .map(|path| rel_path(Tag::OLDFILENAMES, path))
            .collect();
    }
    let folders: Vec<&[u8]> = strings(header, Tag::DIRNAMES, None)?;
    let names: Vec<&[u8]> = strings(header, Tag::BASENAMES, None)?;
    let indexes = numbers(header, Tag::DIRINDEXES, names.len())?;
    let mut path = Vec::new();
    let mut total = 0;
    (names.iter().zip(indexes))
        .map(|(name, index)| {
            let folder = folders.get(index as usize).ok_or_else(|| {
                Error::entry(Tag::DIRINDEXES, format!("index {index} in a list of {} folders", folders.len()))
            })?;
            total += folder.len() + name.len();
            if folder.len() + name.len() > MAX_PATH || total > MAX_PATHS {
                return Err(Error::entry(Tag::BASENAMES, "paths are too long"));
            }
            path.clear();
            path.extend_from_slice(folder);
            path.extend_from_slice(name);
            rel_path(Tag::BASENAMES, &path)
        })
        .collect()
}

/// The hard links of a package: sets of at least two regular files that are one inode, by their indexes, ascending.
/// The last of a set has the content in the payload. Ghosts have no part in it (rpm's `rpmfilesBuildNLink`).
pub fn link_sets(files: &[FileEntry]) -> Vec<Vec<u32>> {
    let mut sets: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.kind == FileKind::Regular && !file.flags.is_ghost()) {
        sets.entry(file.inode).or_default().push(file.index);
    }
    sets.into_values().filter(|set| set.len() > 1).collect()
}

fn rel_path(tag: Tag, path: &[u8]) -> Result<RelPath> {
    RelPath::new(path).map_err(|fault| Error::entry(tag, fault.to_string()))
}

/// An array of strings; `len` says how many there must be.
fn strings(header: &Header, tag: Tag, len: Option<usize>) -> Result<Vec<&[u8]>> {
    let strings: Vec<&[u8]> =
        header.strings(tag).ok_or_else(|| Error::entry(tag, "missing, or not strings"))?.collect();
    match len {
        Some(len) if strings.len() != len => Err(wrong_len(tag, strings.len(), len)),
        _ => Ok(strings),
    }
}

fn numbers(header: &Header, tag: Tag, len: usize) -> Result<Vec<u32>> {
    let numbers = header.u32s(tag).ok_or_else(|| Error::entry(tag, "missing, or not 32-bit numbers"))?;
    if numbers.len() == len { Ok(numbers) } else { Err(wrong_len(tag, numbers.len(), len)) }
}

fn wrong_len(tag: Tag, found: usize, expected: usize) -> Error {
    Error::entry(tag, format!("{found} values, expected {expected}: one a file"))
}

/// The arrays of a header that have one value a file. Those that a package may lack are empty then.
struct Columns<'header> {
    modes: Vec<u16>,
    sizes: Vec<u64>,
    mtimes: Vec<u32>,
    rdevs: Vec<u16>,
    inodes: Vec<u32>,
    devices: Vec<u32>,
    flags: Vec<u32>,
    verify_flags: Vec<u32>,
    colors: Vec<u32>,
    class_indexes: Vec<u32>,
    classes: Vec<Arc<str>>,
    users: Vec<&'header [u8]>,
    groups: Vec<&'header [u8]>,
    digests: Vec<&'header [u8]>,
    targets: Vec<&'header [u8]>,
    caps: Vec<&'header [u8]>,
    languages: Vec<&'header [u8]>,
    ima: Vec<&'header [u8]>,
    digest_algorithm: Option<Algorithm>,
}

impl<'header> Columns<'header> {
    fn read(header: &'header Header, len: usize) -> Result<Self> {
        let optional = |tag: Tag| if header.has(tag) && len > 0 { numbers(header, tag, len) } else { Ok(Vec::new()) };
        let texts =
            |tag: Tag| if header.has(tag) && len > 0 { strings(header, tag, Some(len)) } else { Ok(Vec::new()) };
        let shorts = |tag: Tag| {
            let shorts = header.u16s(tag).unwrap_or_default();
            if shorts.len() == len { Ok(shorts) } else { Err(wrong_len(tag, shorts.len(), len)) }
        };
        let size_tag = if header.has(Tag::LONGFILESIZES) { Tag::LONGFILESIZES } else { Tag::FILESIZES };
        let sizes = header.u64s(size_tag).unwrap_or_default();
        if sizes.len() != len {
            return Err(wrong_len(size_tag, sizes.len(), len));
        }
        Ok(Self {
            modes: shorts(Tag::FILEMODES)?,
            sizes,
            mtimes: optional(Tag::FILEMTIMES)?,
            rdevs: if header.has(Tag::FILERDEVS) { shorts(Tag::FILERDEVS)? } else { Vec::new() },
            inodes: optional(Tag::FILEINODES)?,
            devices: optional(Tag::FILEDEVICES)?,
            flags: optional(Tag::FILEFLAGS)?,
            verify_flags: optional(Tag::FILEVERIFYFLAGS)?,
            colors: optional(Tag::FILECOLORS)?,
            class_indexes: optional(Tag::FILECLASS)?,
            classes: header.string_array(Tag::CLASSDICT).into_iter().map(Arc::from).collect(),
            users: texts(Tag::FILEUSERNAME)?,
            groups: texts(Tag::FILEGROUPNAME)?,
            digests: texts(Tag::FILEDIGESTS)?,
            targets: texts(Tag::FILELINKTOS)?,
            caps: texts(Tag::FILECAPS)?,
            languages: texts(Tag::FILELANGS)?,
            ima: texts(Tag::FILESIGNATURES)?,
            // No number means MD5: the tag is younger than the digests.
            digest_algorithm: Algorithm::from_number(
                header.number(Tag::FILEDIGESTALGO).map_or(1, |number| number as u32),
            ),
        })
    }

    fn entry(&self, at: usize, path: RelPath) -> Result<FileEntry> {
        let kind = self.kind(at)?;
        let hex = text(&self.digests, at).to_ascii_lowercase();
        let has_digest = kind == FileKind::Regular && !hex.is_empty();
        let class = self.class_indexes.get(at).and_then(|&class| self.classes.get(class as usize));
        Ok(FileEntry {
            index: at as u32,
            path,
            mode: u32::from(self.modes[at]) & 0o7777,
            kind,
            size: self.sizes[at],
            mtime: self.mtimes.get(at).copied().unwrap_or(0).into(),
            user: text(&self.users, at),
            group: text(&self.groups, at),
            digest: has_digest.then_some(FileDigest { algorithm: self.digest_algorithm, hex }),
            flags: FileFlags(self.flags.get(at).copied().unwrap_or(0)),
            verify_flags: self.verify_flags.get(at).copied().unwrap_or(u32::MAX),
            inode: (self.devices.get(at).copied().unwrap_or(0), self.inodes.get(at).copied().unwrap_or(at as u32 + 1)),
            caps: text(&self.caps, at),
            color: self.colors.get(at).copied().unwrap_or(0),
            class: class.cloned().unwrap_or_default(),
            language: text(&self.languages, at),
            ima_signature: text(&self.ima, at),
        })
    }

    fn kind(&self, at: usize) -> Result<FileKind> {
        // 16-bit device numbers: major in the upper byte, as Linux had them until 2.6.
        let rdev = u32::from(self.rdevs.get(at).copied().unwrap_or(0));
        let (major, minor) = (rdev >> 8, rdev & 0xff);
        Ok(match self.modes[at] & 0o170_000 {
            0o100_000 => FileKind::Regular,
            0o040_000 => FileKind::Directory,
            0o120_000 => FileKind::Symlink { target: self.targets.get(at).copied().unwrap_or_default().to_vec() },
            0o020_000 => FileKind::CharDevice { major, minor },
            0o060_000 => FileKind::BlockDevice { major, minor },
            0o010_000 => FileKind::Fifo,
            0o140_000 => FileKind::Socket,
            kind => return Err(Error::entry(Tag::FILEMODES, format!("unknown file type {kind:#o}"))),
        })
    }
}

fn text(column: &[&[u8]], at: usize) -> String {
    column.get(at).map(|bytes| String::from_utf8_lossy(bytes).into_owned()).unwrap_or_default()
}
