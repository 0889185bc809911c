//! The database as openSUSE has it: `Packages.db` holds the headers, `Index.db` makes them findable.
//!
//! While packages are installed only `Packages.db` grows: rpm makes indexes that are missing anew as soon as it is asked
//! (`ndb_Open`, rpm 6.1, `lib/backend/ndb/glue.cc`). Both are in the image, where rpm could not.
//!
//! [`blobs`] and [`Tables`] read the files' bytes, whoever made them; [`check_files`] says whether rpm could use them as
//! they are, which is what [`verify`](mod@crate::verify) asks of an image.

mod index;
mod packages;
mod tables;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{self, BufReader, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

pub use packages::Blob;
use packages::{Directory, SLOTS_OF_A_PAGE};
pub use tables::{Row, Tables, check as check_files};

use super::{Error, Result, check, parse, set_readable};
use crate::rpm::Header;

/// The headers' file in rpm's folder.
pub const FILE_NAME: &str = "Packages.db";
/// The indexes' file.
pub const INDEX_NAME: &str = "Index.db";
/// All files, and what rpm may leave beside them.
pub(super) const FILES: [&str; 3] = [FILE_NAME, INDEX_NAME, ".rpm.lock"];

/// Slot pages of a database that grows: room for 4,094 packages before it is made anew, in 64 KiB.
const PAGES: u32 = 16;

/// An open database.
#[derive(Debug)]
pub struct Database {
    file: File,
    path: PathBuf,
    directory: Directory,
}

impl Database {
    /// Makes an empty database in rpm's folder, and the folder.
    ///
    /// # Errors
    /// There is one, or it can't be written.
    pub fn create(folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder)?;
        let path = folder.join(FILE_NAME);
        let file = fs_err::OpenOptions::new().read(true).write(true).create_new(true).open(&path)?.into_parts().0;
        let directory = Directory::empty(PAGES);
        file.write_all_at(&directory.to_bytes(), 0)?;
        set_readable(&path)?;
        Ok(Self { file, path, directory })
    }

    /// Opens the database in rpm's folder.
    ///
    /// # Errors
    /// There is none, or it isn't one; or it is a symbolic link, which scripts could have laid to a file of the host.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE_NAME);
        if !fs_err::symlink_metadata(&path)?.is_file() {
            return Err(io::Error::other(format!("`{}` is not a regular file", path.display())).into());
        }
        let file = fs_err::OpenOptions::new().read(true).write(true).open(&path)?.into_parts().0;
        let directory = Directory::read(&mut BufReader::new(&file)).map_err(damaged(&path))?;
        Ok(Self { file, path, directory })
    }

    /// Adds a package and gives its number.
    ///
    /// # Errors
    /// A header without name, version, release or region, or a database that can't be written.
    pub fn add(&mut self, header: &Header) -> Result<u32> {
        check(header)?;
        if self.directory.is_full() {
            self.grow()?;
        }
        let blob = self.directory.blob(header.blob()).map_err(damaged(&self.path))?;
        // As rpm does it: the header's bytes first, so that a slot never points to nothing.
        self.file.write_all_at(&blob.bytes, blob.offset())?;
        let slot = self.directory.insert(&blob).map_err(damaged(&self.path))?;
        self.write_slot(slot)?;
        Ok(blob.number())
    }

    /// Removes a package by its number; none with that number is no error.
    ///
    /// # Errors
    /// A database that can't be written.
    pub fn remove(&mut self, number: u32) -> Result<()> {
        let Some(freed) = self.directory.remove(number) else { return Ok(()) };
        self.write_slot(freed.slot)?;
        self.file.write_all_at(&vec![0; freed.length], freed.offset)?; // rpm wants free places to be empty
        Ok(())
    }

    /// All packages with their numbers, in the order in which they came.
    ///
    /// # Errors
    /// A database that can't be read, or a broken header in it.
    pub fn headers(&self) -> Result<Vec<(u32, Header)>> {
        let mut file = BufReader::new(&self.file);
        let blobs = self.directory.blobs(&mut file).map(|blob| blob.map_err(damaged(&self.path)));
        blobs.map(|blob| blob.and_then(|blob| parse(&self.path, blob.number, blob.header))).collect()
    }

    /// Ends the work on it, with everything in the files. Indexes that no longer fit are gone.
    ///
    /// # Errors
    /// A database that can't be written.
    pub fn close(self) -> Result<()> {
        match fs_err::remove_file(self.path.with_file_name(INDEX_NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// A slot, then the file's header, which says that something changed.
    fn write_slot(&self, number: usize) -> Result<()> {
        let (offset, bytes) = self.directory.slot(number);
        self.file.write_all_at(&bytes, offset)?;
        Ok(self.file.write_all_at(&self.directory.head(), 0)?)
    }

    /// Makes the file anew, with twice the slots.
    fn grow(&mut self) -> Result<()> {
        let blobs: io::Result<Vec<Blob>> = self.directory.blobs(&mut BufReader::new(&self.file)).collect();
        let blobs = blobs.map_err(damaged(&self.path))?;
        let mut directory = Directory::empty(self.directory.pages().saturating_mul(2));
        let mut places = Vec::new();
        for old in blobs {
            let blob = directory.blob_of(old.number, &old.header).map_err(damaged(&self.path))?;
            directory.insert(&blob).map_err(damaged(&self.path))?;
            places.push(blob);
        }
        self.file.set_len(0)?;
        for blob in places {
            self.file.write_all_at(&blob.bytes, blob.offset())?;
        }
        self.directory = directory;
        Ok(self.file.write_all_at(&self.directory.to_bytes(), 0)?)
    }
}

/// Writes a database of these headers, the same bytes for the same headers in the same order, in place of what is
/// there. `Packages.db` is what rpm itself writes when it installs them in that order.
///
/// # Errors
/// A header that rpm wouldn't take, or a folder that can't be written. The old database stays then.
pub fn write_canonical(folder: &Path, headers: &[&Header]) -> Result<()> {
    fs_err::create_dir_all(folder)?;
    let path = folder.join(FILE_NAME);
    let pages = (headers.len() + packages::FIRST_SLOT).div_ceil(SLOTS_OF_A_PAGE).max(1);
    let mut directory = Directory::empty(u32::try_from(pages).map_err(io::Error::other)?);
    let temporary = tempfile::Builder::new().prefix(".rpmdb-").tempdir_in(folder)?;
    let fresh = |name: &str| temporary.path().join(name);
    let mut file = io::BufWriter::new(fs_err::File::create(fresh(FILE_NAME))?);
    file.write_all(&directory.to_bytes())?;
    for header in headers {
        check(header)?;
        let blob = directory.blob(header.blob()).map_err(damaged(&path))?;
        file.write_all(&blob.bytes)?;
        directory.insert(&blob).map_err(damaged(&path))?;
    }
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.file().write_all_at(&directory.to_bytes(), 0)?;
    fs_err::write(fresh(INDEX_NAME), index::file(headers, directory.generation()).map_err(damaged(&path))?)?;
    for companion in FILES.map(|name| folder.join(name)).iter().filter(|path| path.exists()) {
        fs_err::remove_file(companion)?;
    }
    for name in [INDEX_NAME, FILE_NAME] {
        set_readable(&fresh(name))?;
        fs_err::rename(fresh(name), folder.join(name))?;
    }
    Ok(())
}

/// The headers in a `Packages.db`, as bytes that nobody has looked at yet.
///
/// # Errors
/// It isn't one, or is damaged.
pub fn blobs(bytes: &[u8]) -> io::Result<Vec<Blob>> {
    let mut file = io::Cursor::new(bytes);
    Directory::read(&mut file)?.blobs(&mut file).collect()
}

fn damaged(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Ndb { path: path.clone(), source }
}
