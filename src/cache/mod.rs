//! The content-addressed store: packages, metadata, inputs and stages' results, under the digest of their bytes.
//!
//! ```text
//! $XDG_CACHE_HOME/rowi/   0700, one user's
//!   objects/sha256/aa/…   0444, named by content; written elsewhere, then renamed
//!   stages/aa/….json      what a stage made of which inputs, as canonical JSON
//!   repositories/….json   what was last seen of a repository
//!   index.sqlite          size, mtime and inode of every object that was verified
//!   work/NAME/            half-made things of one process
//!   locks/NAME            held by flock(2) while that process lives, or while a stage is made
//! ```
//!
//! Objects are verified when they enter and, on reading, by size, mtime and inode against the index: an object that
//! differs there, or that another boot of the machine wrote, is hashed again. Nothing but content decides what an
//! object is, so that two builds may write the same one at once.

mod digest;
mod index;
mod object;
mod stage;
mod work;

use std::{
    env, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

pub use digest::{Digest, InvalidDigest};
pub use object::{Kind, ObjectWriter, Verified};
pub use stage::{Record, StageKey};
pub use work::{DeadWork, Lock, remove_tree};

use crate::report::{Exit, Explain};
use index::Index;
use work::Work;

/// An open cache. Cheap to clone; the last one to go removes this process's work folder.
#[derive(Clone, Debug)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    index: Mutex<Index>,
    work: Work,
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `XDG_CACHE_HOME` nor `HOME` says where the cache is.
    #[error("no place for the cache: neither `XDG_CACHE_HOME` nor `HOME` is an absolute path")]
    NoPlace,
    /// A file of the cache cannot be read or written.
    #[error("cannot use the cache in `{folder}`")]
    Io {
        /// The cache's folder.
        folder: PathBuf,
        /// Why; names the file.
        source: io::Error,
    },
    /// The folder of the cache is not a folder of this user's.
    #[error("the cache `{folder}` is {fault}")]
    Folder {
        /// The cache's folder.
        folder: PathBuf,
        /// `a symbolic link`, `another user's`.
        fault: &'static str,
    },
    /// The index cannot be used, not even a new one.
    #[error("cannot use the index of the cache in `{folder}`")]
    Index {
        /// The cache's folder.
        folder: PathBuf,
        /// What sqlite says.
        source: rusqlite::Error,
    },
    /// Bytes are not what they were said to be.
    #[error("wrong content: expected sha256 {expected}, got {found}")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        found: Digest,
    },
    /// More bytes came than were announced.
    #[error("content is longer than the {limit} bytes that were announced")]
    TooLong {
        /// The limit.
        limit: u64,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Digest { .. } | Self::TooLong { .. } => Exit::Build,
            _ => Exit::Host,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::NoPlace => vec!["set `XDG_CACHE_HOME` to a folder".into()],
            Self::Io { folder, source } if is_full(source) => vec![room(folder)],
            Self::Index { folder, source } if is_index_full(source) => vec![room(folder)],
            Self::Io { .. } | Self::Folder { .. } | Self::Index { .. } => {
                vec!["set `XDG_CACHE_HOME` to a folder that you may write".into()]
            }
            _ => Vec::new(),
        }
    }
}

fn room(folder: &Path) -> String {
    format!("free some room where `{}` lies, or set `XDG_CACHE_HOME` to another disk", folder.display())
}

/// The same of sqlite, which cannot tell a full disk from a broken one when it makes its shared memory.
fn is_index_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DiskFull, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(DiskFull | SystemIoFailure))
}

/// Whether an error says that there is no room left.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Cache {
    /// `$XDG_CACHE_HOME/rowi`, else `$HOME/.cache/rowi`.
    pub fn default_folder() -> Result<PathBuf, Error> {
        let absolute = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
            .map(|base| base.join("rowi"))
            .ok_or(Error::NoPlace)
    }

    /// Opens the cache in `folder`, which is made where it is missing, and makes a work folder for this process.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, Error> {
        let folder = folder.into();
        let failed = |source| Error::Io { folder: folder.clone(), source };
        private_folder(&folder).map_err(failed)?;
        is_own(&folder)?;
        for below in ["objects/sha256", "stages", "repositories", "work", "locks"] {
            private_folder(&folder.join(below)).map_err(failed)?;
        }
        let work = Work::create(&folder).map_err(failed)?;
        let index = Index::open(&folder.join("index.sqlite"))
            .map_err(|source| Error::Index { folder: folder.clone(), source })?;
        Ok(Self(Arc::new(Inner { folder, index: Mutex::new(index), work })))
    }

    /// The cache's folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// This process's own folder, on the file system of the objects; gone when the process is.
    pub fn work(&self) -> &Path {
        self.0.work.path()
    }

    /// Work folders whose process is gone; each is locked until it is dropped.
    pub fn dead_work(&self) -> Result<Vec<DeadWork>, Error> {
        work::dead(&self.0.folder).map_err(|source| self.failed(source))
    }

    /// Removes the work folders of processes that are gone. `empty` is called for one that this user cannot remove,
    /// since files of mapped users lie in it; the sandbox can. Those that stay are given back.
    pub fn sweep(&self, mut empty: impl FnMut(&Path) -> io::Result<()>) -> Result<Vec<PathBuf>, Error> {
        let mut left = Vec::new();
        for dead in self.dead_work()? {
            let path = dead.path().to_owned();
            let removed = remove_tree(&path).or_else(|_| empty(&path));
            if removed.and_then(|()| dead.remove()).is_err() {
                left.push(path);
            }
        }
        Ok(left)
    }

    /// Waits until no other process holds the lock of that name; `name` is one of rowi's own words.
    pub fn lock(&self, name: &str) -> Result<Lock, Error> {
        Lock::wait(&self.0.folder, name).map_err(|source| self.failed(source))
    }

    /// Reads a small file that is no object, such as what was last seen of a repository.
    pub(crate) fn read_note(&self, group: &str, name: &str) -> Option<Vec<u8>> {
        let path = self.0.folder.join(group).join(name);
        let kept = fs_err::symlink_metadata(&path).ok()?;
        (kept.is_file() && kept.len() <= MAX_NOTE).then(|| fs_err::read(path).ok()).flatten()
    }

    /// Replaces such a file at once.
    pub(crate) fn write_note(&self, group: &str, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let write = || {
            let folder = self.0.folder.join(group);
            private_folder(&folder)?;
            let mut file = tempfile::NamedTempFile::new_in(self.work())?;
            io::Write::write_all(&mut file, bytes)?;
            file.persist(folder.join(name)).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Io { folder: self.0.folder.clone(), source }
    }

    fn with_index<T>(&self, run: impl FnOnce(&Index) -> rusqlite::Result<T>) -> Result<T, Error> {
        let index = self.0.index.lock().unwrap_or_else(PoisonError::into_inner);
        run(&index).map_err(|source| Error::Index { folder: self.0.folder.clone(), source })
    }
}

/// Largest record that is read back; ours are some kilobytes.
const MAX_NOTE: u64 = 16 << 20;

fn private_folder(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Refuses a folder that someone else could fill: a link, or another user's.
fn is_own(folder: &Path) -> Result<(), Error> {
    use std::os::unix::fs::MetadataExt;
    let wrong = |fault| Err(Error::Folder { folder: folder.to_owned(), fault });
    let kept = fs_err::symlink_metadata(folder).map_err(|source| Error::Io { folder: folder.to_owned(), source })?;
    if kept.is_symlink() {
        return wrong("a symbolic link");
    }
    if kept.uid() != rustix::process::geteuid().as_raw() {
        return wrong("another user's");
    }
    if kept.mode() & 0o022 != 0 {
        return wrong("writable for other users");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
