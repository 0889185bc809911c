//! Folders of half-made things, and the locks that say whether their process lives.

use std::{
    fs::File,
    io,
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

use super::private_folder;

/// This process's folder and the lock on it.
#[derive(Debug)]
pub(super) struct Work {
    path: PathBuf,
    lock: Lock,
    /// A forked child must not clear up after its parent.
    owner: u32,
}

impl Work {
    /// Locks a new name first and makes the folder then: a folder without a held lock is dead.
    pub(super) fn create(cache: &Path) -> io::Result<Self> {
        loop {
            let mut random = [0; 8];
            rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
            let name = format!("{}-{:016x}", std::process::id(), u64::from_ne_bytes(random));
            let Some(lock) = Lock::attempt(cache, &name)? else { continue };
            let path = cache.join("work").join(name);
            private_folder(&path)?;
            return Ok(Self { path, lock, owner: std::process::id() });
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What cannot be removed here (files of mapped users) is left to the next sweep, which finds it unlocked.
        if self.owner == std::process::id() && remove_tree(&self.path).is_ok() {
            let _ = fs_err::remove_file(&self.lock.path);
        }
    }
}

/// A lock that is held until it is dropped or its process ends.
#[must_use = "the lock is held as long as this lives"]
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock, or says that another process holds it.
    fn attempt(cache: &Path, name: &str) -> io::Result<Option<Self>> {
        Self::take(cache, name, FlockOperation::NonBlockingLockExclusive)
    }

    /// Waits for the lock.
    pub(super) fn wait(cache: &Path, name: &str) -> io::Result<Self> {
        loop {
            if let Some(lock) = Self::take(cache, name, FlockOperation::LockExclusive)? {
                return Ok(lock);
            }
        }
    }

    /// Nothing when another process holds it, or removed the file while we waited.
    fn take(cache: &Path, name: &str, how: FlockOperation) -> io::Result<Option<Self>> {
        let path = cache.join("locks").join(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        loop {
            match flock(&file, how) {
                Ok(()) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        let same =
            fs_err::symlink_metadata(&path).is_ok_and(|kept| file.metadata().is_ok_and(|own| own.ino() == kept.ino()));
        Ok(same.then_some(Self { path, _file: file }))
    }
}

/// The folder of a process that is gone. Locked, so that one sweeper at a time removes it.
#[derive(Debug)]
pub struct DeadWork {
    path: PathBuf,
    lock: Lock,
}

impl DeadWork {
    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it. Fails where files belong to mapped users: then the sandbox has to empty it first.
    pub fn remove(self) -> io::Result<()> {
        remove_tree(&self.path)?;
        fs_err::remove_file(&self.lock.path)
    }
}

/// Work folders that no process holds.
pub(super) fn dead(cache: &Path) -> io::Result<Vec<DeadWork>> {
    let mut dead = Vec::new();
    for entry in fs_err::read_dir(cache.join("work"))? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(lock) = name.to_str().map(|name| Lock::attempt(cache, name)).transpose()?.flatten() else { continue };
        // It may have gone while we looked.
        if fs_err::symlink_metadata(entry.path()).is_ok() {
            dead.push(DeadWork { path: entry.path(), lock });
        } else {
            let _ = fs_err::remove_file(&lock.path);
        }
    }
    dead.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(dead)
}

/// Removes a folder with everything in it, folders without permission bits too. Follows no link; one that is not
/// there is no error.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    match fs_err::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(kept) if !kept.is_dir() => return fs_err::remove_file(path),
        Ok(_) => {}
    }
    match fs_err::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs_err::remove_dir_all(path)
        }
        done => done,
    }
}

/// Gives this user all rights to the folders below, so that they can be emptied.
fn open_up(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let mode = fs_err::symlink_metadata(&folder)?.permissions().mode();
        if mode & 0o700 != 0o700 {
            fs_err::set_permissions(&folder, PermissionsExt::from_mode(0o700))?;
        }
        for entry in fs_err::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(())
}
