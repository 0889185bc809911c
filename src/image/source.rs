//! A finished image as bytes at offsets, whatever its format. Nothing that an image says is trusted: sizes and
//! offsets are checked before they are used.

use std::{
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fs_err::File;

use super::{qcow2::Qcow2, raw};
use crate::report::{Exit, Explain};

/// How xz files begin (xz file format 1.2.1, 2.1.1.1), and zstd frames (RFC 8878, 3.1.1).
const XZ: &[u8] = b"\xfd7zXZ\0";
const ZSTD: &[u8] = b"\x28\xb5\x2f\xfd";
/// Bytes that are unpacked at once.
const PIECE: usize = 4 << 20;
/// Largest disk that is unpacked. Ours: a card is 32 GB, and what is larger is a qcow2.
const MOST: u64 = 64 << 30;

/// An image that is read. Several threads may read at once.
#[derive(Debug)]
pub struct Source {
    size: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Raw(File),
    Qcow2(Box<Qcow2>),
}

/// Why an image cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The host refused.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The image.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Compressed, and damaged.
    #[error("cannot unpack `{}`", path.display())]
    Packed {
        /// The image.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// Damaged, or of a kind that is not read.
    #[error("cannot read `{}` as qcow2: {fault}", path.display())]
    Format {
        /// The image.
        path: PathBuf,
        /// What it is.
        fault: String,
    },
}

impl Explain for OpenError {
    fn exit(&self) -> Exit {
        match self {
            Self::Read { .. } => Exit::Host,
            Self::Packed { .. } | Self::Format { .. } => Exit::Verification,
        }
    }
}

impl Source {
    /// Opens a raw or qcow2 image, or a raw one in xz or zstd, by what its first bytes say. What is compressed is unpacked
    /// into a file without a name, as large as the disk's content.
    ///
    /// # Errors
    /// The file cannot be read, or is a qcow2 that is damaged, encrypted, backed by another file or newer than we know, or
    /// is compressed and damaged or larger than a disk of ours can be.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let length = length(&file).map_err(failed)?;
        let mut first = [0; 4096];
        let count = usize::try_from(length).unwrap_or(usize::MAX).min(first.len());
        file.file().read_exact_at(&mut first[..count], 0).map_err(failed)?;
        if is_packed(&first) {
            // Not in /tmp, which may be memory.
            let to = tempfile::tempfile_in("/var/tmp").map_err(failed)?;
            let to = File::from_parts(to, "an unpacked image");
            let size = unpack(path, &file, &first, &to)?;
            return Ok(Self { size, kind: Kind::Raw(to) });
        }
        if !Qcow2::recognises(&first[..count]) {
            return Ok(Self { size: length, kind: Kind::Raw(file) });
        }
        match Qcow2::open(file, length, &first[..count]) {
            Ok(image) => Ok(Self { size: image.size(), kind: Kind::Qcow2(Box::new(image)) }),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(OpenError::Format { path: path.to_owned(), fault: error.to_string() })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buffer` with what lies at `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when that is not all within the disk, `InvalidData` when the image is damaged, and what the
    /// host says.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("{} bytes at {offset:#x} are not on a disk of {:#x}", buffer.len(), self.size),
            ));
        }
        match &self.kind {
            Kind::Raw(file) => file.file().read_exact_at(buffer, offset),
            Kind::Qcow2(image) => image.read_at(offset, buffer),
        }
    }
}

/// The disk of a compressed image as a sparse raw file in `folder`; nothing where it is not compressed.
///
/// # Errors
/// As [`Source::open`].
pub fn unpacked(path: &Path, folder: &Path) -> Result<Option<PathBuf>, OpenError> {
    let failed = |source| OpenError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut first = [0; 16];
    let count = file.file().read_at(&mut first, 0).map_err(failed)?;
    if !is_packed(&first[..count]) {
        return Ok(None);
    }
    let name = folder.join("image.raw");
    let to = File::create(&name).map_err(failed)?;
    unpack(path, &file, &first, &to)?;
    Ok(Some(name))
}

fn is_packed(first: &[u8]) -> bool {
    first.starts_with(XZ) || first.starts_with(ZSTD)
}

/// Unpacks into a file, sparse, and says how long the disk is.
fn unpack(path: &Path, file: &File, first: &[u8], to: &File) -> Result<u64, OpenError> {
    let done = if first.starts_with(XZ) {
        copy(&mut liblzma::read::XzDecoder::new_multi_decoder(file), to)
    } else {
        zstd::Decoder::new(file).and_then(|mut plain| copy(&mut plain, to))
    };
    done.map_err(|source| match source.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            OpenError::Packed { path: path.to_owned(), source }
        }
        _ => OpenError::Read { path: path.to_owned(), source },
    })
}

/// Reads a disk from its start; its size.
fn copy(plain: &mut dyn Read, file: &File) -> io::Result<u64> {
    let (mut buffer, mut size) = (vec![0; PIECE], 0);
    loop {
        let mut count = 0;
        while count < PIECE {
            match plain.read(&mut buffer[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        raw::write_runs(file, size, &buffer[..count])?;
        size += count as u64;
        if size > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it holds more than 64 GiB"));
        }
        if count < PIECE {
            file.set_len(size)?;
            return Ok(size);
        }
    }
}

/// Length of a file or block device.
fn length(file: &File) -> io::Result<u64> {
    use std::io::Seek;
    let mut handle = file.file();
    handle.seek(io::SeekFrom::End(0))
}
