//! A finished image as bytes at offsets, whatever its format. Nothing that an image says is trusted: sizes and
//! offsets are checked before they are used.

use std::{
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use fs_err::File;

use super::qcow2::Qcow2;
use crate::report::{Exit, Explain};

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
            Self::Format { .. } => Exit::Verification,
        }
    }
}

impl Source {
    /// Opens a raw or qcow2 image, by what its first bytes say.
    ///
    /// # Errors
    /// The file cannot be read, or is a qcow2 that is damaged, encrypted, backed by another file or newer than we know.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let length = length(&file).map_err(failed)?;
        let mut first = [0; 4096];
        let count = usize::try_from(length).unwrap_or(usize::MAX).min(first.len());
        file.file().read_exact_at(&mut first[..count], 0).map_err(failed)?;
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

/// Length of a file or block device.
fn length(file: &File) -> io::Result<u64> {
    use std::io::Seek;
    let mut handle = file.file();
    handle.seek(io::SeekFrom::End(0))
}
