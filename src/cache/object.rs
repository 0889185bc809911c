//! Objects: bytes under the name of their digest.

use std::{
    fs::Permissions,
    io::{self, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::{Cache, Digest, Error, index::Seen, private_folder};

/// What an object is for; decides what `cache clear` leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A package file.
    Package,
    /// Metadata of a repository.
    Metadata,
    /// A file of the user's.
    Input,
    /// A blob of a container image.
    Image,
    /// What a stage made.
    Stage,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Package, Self::Metadata, Self::Input, Self::Image, Self::Stage];

    /// Its name in the index and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Metadata => "metadata",
            Self::Input => "input",
            Self::Image => "image",
            Self::Stage => "stage",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// What `rowi cache verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Objects that are what their name says.
    pub sound: usize,
    /// Objects that were not; they are gone now.
    pub damaged: Vec<Digest>,
}

impl Cache {
    /// Where an object lies, or nothing: it is not there, or was damaged and is gone now.
    ///
    /// One whose size, mtime and inode are those of the index is not read.
    pub fn object(&self, digest: Digest) -> Result<Option<PathBuf>, Error> {
        let path = self.object_path(digest);
        let Some(seen) = look(&path).map_err(|source| self.failed(source))? else { return Ok(None) };
        if self.with_index(|index| index.knows(digest, seen))? || self.check(digest, &path, seen)? {
            return Ok(Some(path));
        }
        Ok(None)
    }

    /// Takes in bytes from memory.
    pub fn put(&self, kind: Kind, bytes: &[u8]) -> Result<Digest, Error> {
        let mut writer = self.writer(kind, bytes.len() as u64)?;
        writer.write(bytes)?;
        writer.finish()
    }

    /// Takes in a stream of at most `limit` bytes.
    pub fn writer(&self, kind: Kind, limit: u64) -> Result<ObjectWriter, Error> {
        let file = NamedTempFile::new_in(self.work()).map_err(|source| self.failed(source))?;
        Ok(ObjectWriter { cache: self.clone(), kind, file, hasher: Sha256::new(), written: 0, limit })
    }

    /// Hashes every object; the damaged ones are removed.
    pub fn verify(&self) -> Result<Verified, Error> {
        let mut verified = Verified::default();
        for (digest, path) in self.objects()? {
            let Some(seen) = look(&path).map_err(|source| self.failed(source))? else { continue };
            if self.check(digest, &path, seen)? {
                verified.sound += 1;
            } else {
                verified.damaged.push(digest);
            }
        }
        Ok(verified)
    }

    /// Removes all objects but those of the kinds to keep, and what stages recorded.
    ///
    /// An object that the index does not know counts as a package: it is checked when it is next used.
    pub fn clear(&self, keep: &[Kind]) -> Result<(), Error> {
        for (digest, path) in self.objects()? {
            let kind = self.with_index(|index| index.kind(digest))?.unwrap_or(Kind::Package);
            if !keep.contains(&kind) {
                self.drop_object(digest, &path)?;
            }
        }
        let gone = [("stages", Kind::Stage), ("repositories", Kind::Metadata)];
        for (group, _) in gone.into_iter().filter(|(_, kind)| !keep.contains(kind)) {
            super::remove_tree(&self.folder().join(group)).map_err(|source| self.failed(source))?;
        }
        Ok(())
    }

    fn object_path(&self, digest: Digest) -> PathBuf {
        let name = digest.to_string();
        self.folder().join("objects/sha256").join(&name[..2]).join(&name[2..])
    }

    /// Every object's name and place; files that are no objects are left alone.
    fn objects(&self) -> Result<Vec<(Digest, PathBuf)>, Error> {
        let list = || -> io::Result<Vec<(Digest, PathBuf)>> {
            let mut found = Vec::new();
            for folder in fs_err::read_dir(self.folder().join("objects/sha256"))? {
                let folder = folder?;
                if !folder.file_type()?.is_dir() {
                    continue;
                }
                for entry in fs_err::read_dir(folder.path())? {
                    let entry = entry?;
                    let name = format!("{}{}", folder.file_name().display(), entry.file_name().display());
                    found.extend(name.parse().ok().map(|digest| (digest, entry.path())));
                }
            }
            found.sort();
            Ok(found)
        };
        list().map_err(|source| self.failed(source))
    }

    /// Reads an object whole; remembers it when it is sound and removes it when it is not.
    fn check(&self, digest: Digest, path: &Path, seen: Seen) -> Result<bool, Error> {
        let found = fs_err::File::open(path).and_then(Digest::read).map_err(|source| self.failed(source))?;
        if found != digest {
            self.drop_object(digest, path)?;
            return Ok(false);
        }
        let kind = self.with_index(|index| index.kind(digest))?.unwrap_or(Kind::Package);
        self.with_index(|index| index.remember(digest, kind, seen))?;
        Ok(true)
    }

    fn drop_object(&self, digest: Digest, path: &Path) -> Result<(), Error> {
        self.with_index(|index| index.forget(digest))?;
        match fs_err::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.failed(error)),
            _ => Ok(()),
        }
    }
}

/// An object that comes in. Dropped before its end it leaves nothing.
#[must_use = "an object is kept by `finish`"]
#[derive(Debug)]
pub struct ObjectWriter {
    cache: Cache,
    kind: Kind,
    file: NamedTempFile,
    hasher: Sha256,
    written: u64,
    limit: u64,
}

impl ObjectWriter {
    /// Takes more bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.limit {
            return Err(Error::TooLong { limit: self.limit });
        }
        self.hasher.update(bytes);
        self.file.write_all(bytes).map_err(|source| self.cache.failed(source))
    }

    /// Bytes so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Keeps the object, whatever it is.
    pub fn finish(self) -> Result<Digest, Error> {
        let Self { cache, kind, file, hasher, .. } = self;
        let digest = Digest::finish(hasher);
        let path = cache.object_path(digest);
        let keep = || -> io::Result<Seen> {
            file.as_file().set_permissions(Permissions::from_mode(0o444))?;
            private_folder(path.parent().unwrap_or(&path))?;
            file.persist(&path).map_err(|error| error.error)?;
            look(&path)?.ok_or_else(|| io::ErrorKind::NotFound.into())
        };
        let seen = keep().map_err(|source| cache.failed(source))?;
        cache.with_index(|index| index.remember(digest, kind, seen))?;
        Ok(digest)
    }

    /// Keeps the object if it is the one that is wanted.
    pub fn finish_as(self, expected: Digest) -> Result<(), Error> {
        let found = Digest::finish(self.hasher.clone());
        if found != expected {
            return Err(Error::Digest { expected, found });
        }
        self.finish().map(drop)
    }
}

/// What an object looks like; nothing where there is no regular file.
fn look(path: &Path) -> io::Result<Option<Seen>> {
    match fs_err::symlink_metadata(path) {
        Ok(kept) if kept.is_file() => Ok(Some(Seen {
            size: kept.len(),
            mtime: kept.mtime().saturating_mul(1_000_000_000).saturating_add(kept.mtime_nsec()),
            inode: kept.ino(),
        })),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
