//! Changes of the root on disk, for programs that run in it afterwards. Parents are opened within the root, whatever
//! its symbolic links say ([`Root`]).

use std::{
    ffi::OsStr,
    fs::File,
    io,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    path::Path,
};

use rustix::fs::{self, AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid};

use super::{Change, Error};
use crate::{
    cache::remove_tree,
    root::place::Root,
    tree::{Kind, Node, RelPath},
};

/// Applies `changes` in order.
pub(super) fn apply(changes: &[Change], root: &Path) -> Result<(), Error> {
    let failed = |source| Error::Io { what: "write the configuration into the root", source };
    let mut opened = Root::open(root).map_err(failed)?;
    for change in changes {
        let done = match change {
            Change::Put(path, node) => put(&mut opened, path, node),
            Change::Remove(path) => remove(&mut opened, path),
        };
        let (Change::Put(path, _) | Change::Remove(path)) = change;
        done.map_err(|error| failed(io::Error::new(error.kind(), format!("`{path}`: {error}"))))?;
    }
    Ok(())
}

fn put(root: &mut Root, path: &RelPath, node: &Node) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let folder = root.make_folder(&parent)?;
    let name = OsStr::from_bytes(path.file_name());
    let is_folder = node.kind == Kind::Directory;
    if is_folder {
        let _ = fs::mkdirat(&folder, name, Mode::from_raw_mode(0o700));
        return dress(&folder, name, node);
    }
    let _ = fs::unlinkat(&folder, name, AtFlags::empty());
    match &node.kind {
        Kind::Symlink { target } => fs::symlinkat(OsStr::from_bytes(target), &folder, name)?,
        Kind::File { content, .. } => {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mut file = File::from(fs::openat(&folder, name, flags, Mode::from_raw_mode(0o600))?);
            io::copy(&mut content.open()?, &mut file)?;
        }
        _ => return Err(io::ErrorKind::Unsupported.into()),
    }
    dress(&folder, name, node)
}

/// Owner, mode and time, in an order in which none takes another away.
fn dress(folder: impl AsFd, name: &OsStr, node: &Node) -> io::Result<()> {
    let nofollow = AtFlags::SYMLINK_NOFOLLOW;
    fs::chownat(&folder, name, Some(Uid::from_raw(node.uid)), Some(Gid::from_raw(node.gid)), nofollow)?;
    if !matches!(node.kind, Kind::Symlink { .. }) {
        fs::chmodat(&folder, name, Mode::from_raw_mode(node.mode), AtFlags::empty())?;
    }
    let time = Timespec { tv_sec: node.mtime.seconds, tv_nsec: node.mtime.nanos.into() };
    Ok(fs::utimensat(&folder, name, &Timestamps { last_access: time, last_modification: time }, nofollow)?)
}

fn remove(root: &mut Root, path: &RelPath) -> io::Result<()> {
    let Some(parent) = path.parent() else { return Ok(()) };
    let folder = match root.folder(&parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        folder => folder?,
    };
    let name = OsStr::from_bytes(path.file_name());
    if fs::unlinkat(&folder, name, AtFlags::empty()).is_ok() {
        return Ok(());
    }
    let held = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&*folder));
    remove_tree(&Path::new(&held).join(name))
}
