//! Contents of packages are unpacked ahead of the transaction, side by side: decompressed, checked against their
//! digests and written into a folder of their own on the root's file system. Nothing here touches the root.
//!
//! One worker follows the order of the transaction, so that the commit seldom waits; the others take the largest
//! payload that is left, so that none is unpacked alone at the end.

use std::{
    collections::HashMap,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
};

use rustix::{
    fs::{self, Mode, OFlags},
    io::Errno,
};

use super::{Error, commit, fate::Fate, package::Package};
use crate::rpm::{self, FileEntry, files, payload};

/// Bytes read at once.
const BUFFER: usize = 256 << 10;

/// A package's contents, each in a file whose name is the number of the header's file.
#[derive(Debug)]
pub(super) struct Staged {
    path: PathBuf,
    folder: OwnedFd,
    sets: Sets,
}

impl Staged {
    /// Moves a content to its place; what is there gives way.
    pub(super) fn place(&self, index: u32, folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        Ok(fs::renameat(&self.folder, index.to_string(), folder, name)?)
    }

    /// Whether a file is one of several names of one content.
    pub(super) fn is_linked(&self, file: &FileEntry) -> bool {
        self.sets.0.contains_key(&file.inode)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The work folder is swept as a whole where this fails.
        let _ = fs_err::remove_dir_all(&self.path);
    }
}

/// By inode: the first placed file of each set of hard links, under whose number their content is staged.
#[derive(Debug)]
struct Sets(HashMap<(u32, u32), u32>);

impl Sets {
    fn new(files: &[FileEntry], fates: &[Fate]) -> Self {
        let sets = files::link_sets(files).into_iter();
        let first = |set: Vec<u32>| {
            let placed = set.iter().copied().find(|&index| fates[index as usize].is_placed())?;
            Some((files[placed as usize].inode, placed))
        };
        Self(sets.filter_map(first).collect())
    }
}

enum State {
    Waiting,
    Taken,
    Done(Result<Staged, Error>),
    Given,
}

/// All payloads of a transaction, and how far each is.
pub(super) struct Stage<'packages> {
    packages: &'packages [Package],
    fates: &'packages [Vec<Fate>],
    folder: &'packages Path,
    states: Mutex<Vec<State>>,
    changed: Condvar,
}

impl<'packages> Stage<'packages> {
    pub(super) fn new(packages: &'packages [Package], fates: &'packages [Vec<Fate>], folder: &'packages Path) -> Self {
        let states = packages.iter().map(|_| State::Waiting).collect();
        Self { packages, fates, folder, states: Mutex::new(states), changed: Condvar::new() }
    }

    /// Unpacks until nothing is left. `in_order`: what the commit needs next comes first.
    pub(super) fn work(&self, in_order: bool) {
        while let Some(at) = self.take(in_order) {
            let (package, folder) = (&self.packages[at], self.folder.join(at.to_string()));
            // The commit waits for every package: a worker that dies must say so.
            let done = catch_unwind(AssertUnwindSafe(|| unpack(package, &self.fates[at], folder)));
            let done = done.unwrap_or_else(|_| Err(Fault::System(io::Error::other("the worker panicked"))));
            let done = done.map_err(|fault| fault.of(package));
            self.states()[at] = State::Done(done);
            self.changed.notify_all();
        }
    }

    /// Waits for a package's contents.
    pub(super) fn wait(&self, at: usize) -> Result<Staged, Error> {
        let mut states = self.states();
        loop {
            match std::mem::replace(&mut states[at], State::Given) {
                State::Done(done) => return done,
                other => states[at] = other,
            }
            states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing more is begun.
    pub(super) fn stop(&self) {
        for state in self.states().iter_mut().filter(|state| matches!(state, State::Waiting)) {
            *state = State::Given;
        }
    }

    fn take(&self, in_order: bool) -> Option<usize> {
        let mut states = self.states();
        let mut waiting =
            states.iter().enumerate().filter(|(_, state)| matches!(state, State::Waiting)).map(|(at, _)| at);
        let size = |&at: &usize| self.packages[at].files.iter().map(|file| file.size).sum::<u64>();
        let at = if in_order { waiting.next() } else { waiting.max_by_key(size) }?;
        states[at] = State::Taken;
        Some(at)
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a package cannot be unpacked.
enum Fault {
    Package(rpm::Error),
    System(io::Error),
}

impl Fault {
    fn of(self, package: &Package) -> Error {
        match self {
            Self::Package(source) => Error::Package { package: package.label.clone(), source },
            Self::System(source) => Error::io("write a package's contents into the work folder", source),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl From<Errno> for Fault {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

impl From<rpm::Error> for Fault {
    fn from(error: rpm::Error) -> Self {
        Self::Package(error)
    }
}

fn unpack(package: &Package, fates: &[Fate], path: PathBuf) -> Result<Staged, Fault> {
    fs_err::create_dir_all(&path)?;
    let how = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let staged = Staged { folder: fs::open(&path, how, Mode::empty())?, path, sets: Sets::new(&package.files, fates) };
    let mut file = fs_err::File::open(&package.path)?;
    file.seek(SeekFrom::Start(package.rpm.payload_offset))?;
    let mut reader = payload::Reader::new(BufReader::with_capacity(BUFFER, file), &package.rpm, &package.files)?;
    let mut buffer = vec![0; BUFFER];
    while let Some(mut record) = reader.next()? {
        let file = record.file;
        let index = match staged.sets.0.get(&file.inode) {
            Some(first) => Some(*first),
            None => fates[file.index as usize].is_placed().then_some(file.index),
        };
        if let Some(index) = index.filter(|_| record.has_content) {
            write(&staged, index, &package.files[index as usize], &mut record, &mut buffer)?;
        }
        record.finish()?;
    }
    reader.finish()?;
    Ok(staged)
}

/// Writes one content, with all of its metadata that needs no names of the root's. What is not root's gets the rest
/// when it is placed.
fn write(
    staged: &Staged,
    index: u32,
    file: &FileEntry,
    record: &mut impl Read,
    buffer: &mut [u8],
) -> Result<(), Fault> {
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let opened = fs::openat(&staged.folder, index.to_string(), how, Mode::from_raw_mode(0o600))?;
    let mut out = std::fs::File::from(opened);
    loop {
        let count = record.read(buffer).map_err(|source| rpm::Error::Read { part: "payload", source })?;
        if count == 0 {
            break;
        }
        out.write_all(&buffer[..count])?;
    }
    fs::fchmod(&out, Mode::from_raw_mode(file.mode))?;
    if !file.caps.is_empty() {
        commit::set_capabilities(out.as_fd(), file)?;
    }
    fs::futimens(&out, &commit::times(file.mtime))?;
    Ok(())
}
