//! 6b. The files: a [`Disk`] becomes what people download.
//!
//! ```text
//! Disk ─→ raw (sparse) | qcow2 (zstd clusters) | raw in xz or zstd, with a block map ─→ SHA-256
//! ```
//!
//! Every format is written straight from the extents, on all cores, with the same bytes for any number of them.

mod block_map;
pub mod digest;
mod qcow2;
mod raw;
pub mod source;
mod stream;

pub use block_map::block_map;
pub use source::Source;

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use crate::{
    disk::Disk,
    profile::Format,
    report::{Exit, Explain, Report},
};

/// A finished result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where it lies.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Its length in bytes, holes included.
    pub length: u64,
    /// Bytes that it takes on the host's disk.
    pub allocated: u64,
}

/// Why a result cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host refused.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The result.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Host
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Write { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                vec!["make room, or write to another file system with `--output`".into()]
            }
            Self::Write { .. } => Vec::new(),
        }
    }
}

/// Writes `disk` to `path` in one format. The file appears whole or not at all: it is made under a temporary name in
/// the same folder, and replaces what was at `path`.
///
/// # Errors
/// A content cannot be read, or the host cannot write.
pub fn write(disk: &Disk, format: Format, path: &Path, report: &Report) -> Result<Written, Error> {
    let failed = |source| Error::Write { path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let temporary = named_file(folder).map_err(failed)?;
    let file = fs_err::File::from_parts(temporary.as_file().try_clone().map_err(failed)?, path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    write_to(disk, format, &file, &name, report).map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    let metadata = file.metadata().map_err(failed)?;
    let allocated = std::os::unix::fs::MetadataExt::blocks(&metadata) * 512;
    Ok(Written { path: path.to_owned(), format, length: metadata.len(), allocated })
}

/// Writes `disk` into an empty file that is open already; `name` is what the progress is called.
///
/// # Errors
/// As [`write()`].
pub fn write_to(disk: &Disk, format: Format, file: &fs_err::File, name: &str, report: &Report) -> io::Result<()> {
    match format {
        Format::Raw => raw::write(disk, file),
        Format::Qcow2 => qcow2::write(disk, file, &progress(disk, name, report)),
        Format::RawXz => stream::xz(disk, file, &progress(disk, name, report)),
        Format::RawZst => stream::zst(disk, file, &progress(disk, name, report)),
    }
}

fn named_file(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    // As any new file: the umask takes from it what the user does not want to give.
    let permissions = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new().prefix(".rowi-").permissions(permissions).tempfile_in(folder)
}

fn progress<'a>(disk: &Disk, name: &'a str, report: &'a Report) -> impl Fn(u64) + Sync + 'a {
    let total = disk.extents.iter().map(|extent| extent.content.len()).sum();
    let sum = AtomicU64::new(0);
    move |bytes| {
        let done = sum.fetch_add(bytes, Ordering::Relaxed) + bytes;
        report.progress(done.min(total), total, name);
    }
}
