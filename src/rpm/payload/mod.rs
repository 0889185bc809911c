//! Payload → the content of each file, checked against the header.
//!
//! The header decides: a record that names no file of the header, comes twice, or has another size than the header says is
//! an error, so what can be unpacked is bounded before the first byte is. Of hard links only the last record has the
//! content. What was unpacked must have the file's digest, and the compressed bytes the payload's.

mod cpio;
mod decoder;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    io::{self, Read},
};

use self::{
    cpio::Head,
    decoder::{Decoder, Tap},
};
use super::{
    Error, FileEntry, FileKind, Package, Result, Tag,
    digest::{Algorithm, Hasher},
    files,
    header::MAGIC,
    tag,
};
use crate::tree::RelPath;

/// Most bytes of one payload when unpacked.
const MAX_UNPACKED: u64 = 64 << 30;

/// Bytes that may be unpacked whatever the ratio: zeros compress well.
const FREE_BYTES: u64 = 256 << 20;

/// Most times that a payload may grow beyond [`FREE_BYTES`]. zstd packs zeros about 20,000 times; the best real payloads
/// (fonts, locales) stay under 100.
const MAX_RATIO: u64 = 2_000;

/// Reads a payload record by record.
#[derive(Debug)]
pub struct Reader<'package, R: Read> {
    decoder: Decoder<R>,
    /// Bytes unpacked.
    at: u64,
    /// Bytes of the current record's content that weren't read yet.
    left: u64,
    files: &'package [FileEntry],
    by_path: HashMap<&'package RelPath, u32>,
    /// Hard links without the content: those that aren't their set's last.
    without_content: HashSet<u32>,
    seen: Vec<bool>,
    expected: Option<(Algorithm, String)>,
    ended: bool,
}

/// A file of the payload and its content, which is read from it.
#[derive(Debug)]
pub struct Record<'reader, 'package, R: Read> {
    /// The header's description.
    pub file: &'package FileEntry,
    /// Whether the content is here. It isn't for what has none, and for hard links but the last of a set.
    pub has_content: bool,
    reader: &'reader mut Reader<'package, R>,
    hasher: Option<Hasher>,
}

impl<'package, R: Read> Reader<'package, R> {
    /// Starts to read; `file` stands at the payload's start, `files` are the package's.
    ///
    /// # Errors
    /// Unknown compression, or a payload that isn't a cpio archive.
    pub fn new(file: R, package: &Package, files: &'package [FileEntry]) -> Result<Self> {
        let header = &package.header;
        let format = header.string(Tag::PAYLOADFORMAT).unwrap_or("cpio".into());
        if format != "cpio" {
            return Err(Error::Payload(format!("format `{format}`, expected `cpio`")));
        }
        let expected = payload_digest(package);
        let hasher = expected.as_ref().map(|(algorithm, _)| {
            let mut hasher = algorithm.hasher();
            if *algorithm == Algorithm::Md5 {
                hasher.update(&MAGIC);
                hasher.update(header.blob());
            }
            hasher
        });
        let named = header.string(Tag::PAYLOADCOMPRESSOR);
        let decoder = Decoder::new(Tap::new(file, hasher), named.as_deref()).map_err(read_error)?;
        let links = files::link_sets(files).into_iter().flat_map(|mut set| {
            set.pop();
            set
        });
        Ok(Self {
            decoder,
            at: 0,
            left: 0,
            by_path: files.iter().map(|file| (&file.path, file.index)).collect(),
            without_content: links.collect(),
            seen: vec![false; files.len()],
            files,
            expected,
            ended: false,
        })
    }

    /// The next record; what is left of the last one is skipped, unchecked.
    ///
    /// # Errors
    /// Anything that isn't as the header says.
    #[expect(clippy::should_implement_trait, reason = "the record borrows the reader")]
    pub fn next(&mut self) -> Result<Option<Record<'_, 'package, R>>> {
        if self.ended {
            return Ok(None);
        }
        self.skip_content()?;
        let (index, size) = match Head::read(&mut self.decoder, &mut self.at).map_err(read_error)? {
            Head::Trailer => {
                self.ended = true;
                return Ok(None);
            }
            Head::Stripped { index } => (index, None),
            Head::Named { name, size } => (self.index_of(&name)?, Some(u64::from(size))),
        };
        let files = self.files;
        let file = files
            .get(index as usize)
            .ok_or_else(|| Error::Payload(format!("record of file {index} in a package of {} files", files.len())))?;
        if std::mem::replace(&mut self.seen[index as usize], true) {
            return Err(Error::Payload(format!("`{}` comes twice", file.path)));
        }
        self.left = self.content_len(file, size)?;
        let is_regular = file.kind == FileKind::Regular;
        let has_content = is_regular && !self.without_content.contains(&index);
        let algorithm = file.digest.as_ref().and_then(|digest| digest.algorithm).filter(|_| has_content);
        Ok(Some(Record { file, has_content, reader: self, hasher: algorithm.map(Algorithm::hasher) }))
    }

    fn index_of(&self, name: &[u8]) -> Result<u32> {
        let unknown =
            || Error::Payload(format!("`{}` is not in the header", String::from_utf8_lossy(name).escape_debug()));
        let path = RelPath::new(name).map_err(|_| unknown())?;
        self.by_path.get(&path).copied().ok_or_else(unknown)
    }

    /// Bytes of content that follow; `stated` is what a record with a name says.
    fn content_len(&self, file: &FileEntry, stated: Option<u64>) -> Result<u64> {
        let due = match &file.kind {
            FileKind::Regular if self.without_content.contains(&file.index) => 0,
            FileKind::Regular => file.size,
            FileKind::Symlink { target } => target.len() as u64,
            _ => 0,
        };
        match stated {
            Some(stated) if stated != due => {
                Err(Error::Payload(format!("`{}` has {stated} bytes, expected {due}", file.path)))
            }
            _ => Ok(due),
        }
    }

    fn skip_content(&mut self) -> Result<()> {
        let mut buffer = [0; 8192];
        while self.left > 0 {
            self.read_content(&mut buffer).map_err(read_error)?;
        }
        Ok(())
    }

    fn read_content(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let read = self.decoder.read(&mut buffer[..want])?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        self.at += read as u64;
        let allowed = (self.decoder.consumed().saturating_mul(MAX_RATIO).saturating_add(FREE_BYTES)).min(MAX_UNPACKED);
        if self.at > allowed {
            return Err(cpio::invalid(format!("more than {allowed} bytes from {}", self.decoder.consumed())));
        }
        Ok(read)
    }

    /// Reads to the end and checks that every file came and that the payload's digest is right.
    ///
    /// # Errors
    /// A missing file, a wrong digest.
    pub fn finish(mut self) -> Result<()> {
        while self.next()?.is_some() {}
        let missing = self.files.iter().find(|file| !file.flags.is_ghost() && !self.seen[file.index as usize]);
        if let Some(missing) = missing {
            return Err(Error::Payload(format!("`{}` is missing", missing.path)));
        }
        let tap = self.decoder.finish().map_err(read_error)?;
        let Some(((algorithm, expected), hasher)) = self.expected.zip(tap.hasher) else { return Ok(()) };
        check(hasher, &expected, || format!("payload {algorithm:?}"))
    }
}

impl<R: Read> Record<'_, '_, R> {
    /// Bytes of content that weren't read yet.
    pub fn remaining(&self) -> u64 {
        self.reader.left
    }

    /// Reads what is left and checks the file's digest, or a symbolic link's target.
    ///
    /// # Errors
    /// Another content than the header says.
    pub fn finish(mut self) -> Result<()> {
        if let FileKind::Symlink { target } = &self.file.kind {
            let mut found = Vec::with_capacity(target.len());
            self.read_to_end(&mut found).map_err(read_error)?;
            if found != *target {
                return Err(Error::Payload(format!("`{}` points elsewhere than in the header", self.file.path)));
            }
            return Ok(());
        }
        io::copy(&mut self, &mut io::sink()).map_err(read_error)?;
        match (self.hasher.take(), &self.file.digest) {
            (Some(hasher), Some(digest)) => check(hasher, &digest.hex, || format!("`{}`", self.file.path)),
            _ => Ok(()),
        }
    }
}

impl<R: Read> Read for Record<'_, '_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read_content(buffer)?;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&buffer[..read]);
        }
        Ok(read)
    }
}

/// Unpacks a payload into nothing, checking all of it.
///
/// # Errors
/// Anything that isn't as the header says.
pub fn verify(file: impl Read, package: &Package) -> Result<()> {
    let files = files::files(&package.header)?;
    let mut reader = Reader::new(file, package, &files)?;
    while let Some(record) = reader.next()? {
        record.finish()?;
    }
    reader.finish()
}

/// The strongest digest of the compressed payload that is known here; MD5, which covers header and payload, only when
/// there is no other.
fn payload_digest(package: &Package) -> Option<(Algorithm, String)> {
    let text = |tag| package.header.string(tag).map(std::borrow::Cow::into_owned);
    let sha256 = || {
        let algorithm = package.header.number(Tag::PAYLOADSHA256ALGO).unwrap_or(8);
        Some((Algorithm::from_number(u32::try_from(algorithm).ok()?)?, text(Tag::PAYLOADSHA256)?))
    };
    let md5 = || Some((Algorithm::Md5, super::digest::hex(package.signature.bin(tag::signature::MD5)?)));
    sha256().or_else(|| Some((Algorithm::Sha512, text(Tag::PAYLOADSHA512)?))).or_else(md5)
}

fn check(hasher: Hasher, expected: &str, what: impl FnOnce() -> String) -> Result<()> {
    let found = hasher.finish();
    if found.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(Error::Digest { what: what(), expected: expected.into(), found })
}

fn read_error(source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::InvalidData => Error::Payload(source.to_string()),
        _ => Error::Read { part: "payload", source },
    }
}
