//! Paths of packages as they will be once links are followed: `/lib/x` of one package and `/usr/lib/x` of another are
//! one file where `/lib` is a link, be it in the root already or in a package of the transaction.

use std::{
    collections::HashMap,
    io::{self, Read},
};

use rustix::{
    fs::{self, FileType, Mode, OFlags},
    io::Errno,
};

use super::place::{self, Root};
use crate::{
    rpm::{FileEntry, FileKind},
    tree::RelPath,
};

/// Longer chains of links are left as they are; placing the file will say what is wrong.
const MOST_LINKS: usize = 40;

/// Folders with their links followed.
pub(super) struct Folders<'files> {
    links: HashMap<&'files RelPath, &'files [u8]>,
    known: HashMap<RelPath, RelPath>,
}

impl<'files> Folders<'files> {
    pub(super) fn new(files: impl Iterator<Item = &'files FileEntry>) -> Self {
        let links = files.filter_map(|file| match &file.kind {
            FileKind::Symlink { target } if !file.flags.is_ghost() => Some((&file.path, target.as_slice())),
            _ => None,
        });
        Self { links: links.collect(), known: HashMap::new() }
    }

    /// The path with links of its folder followed; its own name stays.
    pub(super) fn resolve(&mut self, path: &RelPath, root: &Root) -> io::Result<RelPath> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let mut left = MOST_LINKS;
        let folder = self.folder(&parent, root, &mut left)?;
        folder.join(path.file_name()).map_err(io::Error::other)
    }

    fn folder(&mut self, path: &RelPath, root: &Root, left: &mut usize) -> io::Result<RelPath> {
        if path.is_root() {
            return Ok(RelPath::ROOT);
        }
        if let Some(known) = self.known.get(path) {
            return Ok(known.clone());
        }
        let above = self.folder(&path.parent().unwrap_or_default(), root, left)?;
        let here = above.join(path.file_name()).map_err(io::Error::other)?;
        let target = match self.links.get(&here) {
            Some(target) => Some(target.to_vec()),
            None => link_in(root, &here)?,
        };
        let resolved = match target {
            Some(target) if *left > 0 => {
                *left -= 1;
                self.folder(&follow(&above, &target), root, left)?
            }
            _ => here,
        };
        self.known.insert(path.clone(), resolved.clone());
        Ok(resolved)
    }
}

/// Where a link in a folder leads, by name only; `..` of the root is the root.
fn follow(folder: &RelPath, target: &[u8]) -> RelPath {
    let mut at = if target.first() == Some(&b'/') { RelPath::ROOT } else { folder.clone() };
    for part in target.split(|&byte| byte == b'/') {
        at = match part {
            b"" | b"." => at,
            b".." => at.parent().unwrap_or_default(),
            name => at.join(name).unwrap_or(at),
        };
    }
    at
}

/// The target of a link in the root, whose folder has no link in it.
fn link_in(root: &Root, path: &RelPath) -> io::Result<Option<Vec<u8>>> {
    match fs::readlinkat(root.top(), path.as_bytes(), Vec::new()) {
        Ok(target) => Ok(Some(target.into_bytes())),
        Err(Errno::NOENT | Errno::INVAL | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether the root has something else at a path than a package's file or link.
pub(super) fn differs(file: &FileEntry, path: &RelPath, root: &mut Root) -> io::Result<bool> {
    let folder = match root.folder(&path.parent().unwrap_or_default()) {
        Ok(folder) => folder,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    let Some(found) = place::stat(&*folder, path.file_name())? else { return Ok(false) };
    match (FileType::from_raw_mode(found.st_mode), &file.kind) {
        (FileType::Symlink, FileKind::Symlink { target }) => {
            Ok(fs::readlinkat(&*folder, path.file_name(), Vec::new())?.as_bytes() != target.as_slice())
        }
        (FileType::RegularFile, FileKind::Regular) if u64::try_from(found.st_size) == Ok(file.size) => {
            let Some((algorithm, hex)) = file.digest.as_ref().and_then(|it| Some((it.algorithm?, &it.hex))) else {
                return Ok(true);
            };
            let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut there = std::fs::File::from(fs::openat(&*folder, path.file_name(), how, Mode::empty())?);
            let (mut hasher, mut buffer) = (algorithm.hasher(), vec![0; 1 << 16]);
            loop {
                match there.read(&mut buffer)? {
                    0 => return Ok(hasher.finish() != *hex),
                    count => hasher.update(&buffer[..count]),
                }
            }
        }
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_by_name() {
        let path = |text: &str| RelPath::new(text).unwrap();
        for (folder, target, expected) in
            [("", "usr/lib", "usr/lib"), ("usr", "../bin", "bin"), ("a/b", "/c", "c"), ("a", "../../../x", "x")]
        {
            assert_eq!(follow(&path(folder), target.as_bytes()), path(expected));
        }
    }
}
