//! A package's files: their contents in a folder, everything else in a table.
//!
//! The folder belongs to whoever runs the generator, with modes that let him pass; the owners, modes and times that
//! count are the table's, so that root and an ordinary user make the same package under any umask.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};

use crate::error::{Error, Result};
use crate::tar::{self, Kind, Member};

/// The files of one package.
#[derive(Debug)]
pub(crate) struct Tree {
    root: PathBuf,
    members: BTreeMap<String, Member>,
}

impl Tree {
    /// An empty tree in a folder that exists.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), members: BTreeMap::new() }
    }

    /// The folder that holds the contents.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// All members by path, parents before children.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// The newest time of a member; the archive's root does not count.
    pub(crate) fn newest(&self) -> u64 {
        self.members.values().map(|member| member.mtime).max().unwrap_or(0)
    }

    /// Unpacks an archive; `place` says where a path goes, and whether at all.
    pub(crate) fn unpack(&mut self, archive: &mut dyn Read, place: impl Fn(&str) -> Option<String>) -> Result<()> {
        tar::read(archive, |mut member, contents| {
            let Some(path) = place(&member.path).filter(|path| path != "/") else { return Ok(()) };
            member.path = path;
            self.add(member, contents)
        })
    }

    /// Adds a root-owned file.
    pub(crate) fn file(&mut self, path: &str, mode: u32, mtime: u64, contents: &[u8]) -> Result<()> {
        self.add(of_root(path, Kind::File, mode, mtime), &mut &contents[..])
    }

    /// Adds a root-owned folder.
    pub(crate) fn folder(&mut self, path: &str, mode: u32, mtime: u64) -> Result<()> {
        self.add(of_root(path, Kind::Directory, mode, mtime), &mut std::io::empty())
    }

    /// Adds a symbolic link.
    pub(crate) fn link(&mut self, path: &str, target: &str, mtime: u64) -> Result<()> {
        self.add(of_root(path, Kind::Symlink(target.to_owned()), 0o777, mtime), &mut std::io::empty())
    }

    /// The contents of a file of the tree.
    pub(crate) fn read(&self, path: &str) -> Result<Vec<u8>> {
        Ok(fs_err::read(self.inside(path))?)
    }

    /// Gives everything in the folder the time that the table says. The last step: whatever writes changes them.
    pub(crate) fn settle(&self) -> Result<()> {
        for member in self.members.values().rev() {
            let seconds = i64::try_from(member.mtime).map_err(|_| malformed(&member.path, "is dated too far ahead"))?;
            let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
            let times = Timestamps { last_access: time, last_modification: time };
            utimensat(CWD, self.inside(&member.path), &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|errno| Error::Io { doing: format!("dating `{}`", member.path), source: errno.into() })?;
        }
        Ok(())
    }

    fn add(&mut self, member: Member, contents: &mut dyn Read) -> Result<()> {
        self.parents(&member)?;
        let at = self.inside(&member.path);
        match &member.kind {
            Kind::Directory if self.members.contains_key(&member.path) => {}
            Kind::Directory => fs_err::create_dir(&at)?,
            Kind::File => {
                std::io::copy(contents, &mut fs_err::File::create(&at)?)?;
            }
            Kind::Symlink(target) => {
                symlink(target, &at)
                    .map_err(|source| Error::Io { doing: format!("linking `{}`", member.path), source })?;
            }
            Kind::HardLink(target) => {
                let first = self.members.get(target).ok_or_else(|| malformed(&member.path, "links to nothing"))?;
                fs_err::hard_link(self.inside(target), &at)?;
                let again = Member { path: member.path, ..first.clone() };
                self.members.insert(again.path.clone(), again);
                return Ok(());
            }
        }
        self.members.insert(member.path.clone(), member);
        Ok(())
    }

    /// Makes the parents that the archive does not list, which have to be folders and not links.
    fn parents(&mut self, member: &Member) -> Result<()> {
        let Some((parent, _)) = member.path.rsplit_once('/').filter(|(parent, _)| !parent.is_empty()) else {
            return Ok(());
        };
        match self.members.get(parent).map(|member| &member.kind) {
            Some(Kind::Directory) => Ok(()),
            Some(_) => Err(malformed(&member.path, "lies below something that is no folder")),
            None => self.folder(parent, 0o755, member.mtime),
        }
    }

    fn inside(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

fn of_root(path: &str, kind: Kind, mode: u32, mtime: u64) -> Member {
    Member { path: path.to_owned(), kind, mode, user: "root".to_owned(), group: "root".to_owned(), mtime }
}

fn malformed(path: &str, why: &str) -> Error {
    Error::malformed(format!("package file `{path}`"), why)
}
