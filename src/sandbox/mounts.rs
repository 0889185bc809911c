//! What a scriptlet sees besides the tree: a small `/dev`, `/proc`, an empty `/sys`, and `/run`, `/tmp`, `/var/tmp` in
//! memory.
//!
//! All mounts are made before the root is entered and put in place afterwards, so that every path is looked up inside
//! it. They exist in the mount namespace of the server alone: whoever reads the tree from outside sees none of them.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
        fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_bind_recursive, mount_change, move_mount,
        open_tree, unmount,
    },
    process::{chdir, pivot_root},
};

use super::{Procfs, Tools, dispatch::PLACE, native, system};

/// Device nodes that are the host's.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Where the inner half sees its work folder; every host has this folder (hier(7)).
const WORK: &str = "/tmp";

const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Folders that are mounted over, as every root has them (hier(7)).
const FOLDERS: [(&str, u32); 7] = [
    ("dev", 0o755),
    ("proc", 0o555),
    ("sys", 0o555),
    ("run", 0o755),
    ("tmp", 0o1777),
    ("var", 0o755),
    ("var/tmp", 0o1777),
];

/// Mounts that are nowhere yet.
pub(super) struct Mounts {
    devices: Vec<(&'static str, OwnedFd)>,
    pts: OwnedFd,
    /// In the order in which they go.
    folders: Vec<(&'static str, OwnedFd)>,
    /// The builder's own programs, and links to their libraries.
    tools: Option<(OwnedFd, Vec<(String, String)>)>,
}

impl Mounts {
    /// Makes all mounts. This process has a mount namespace of its own, and rights over it.
    pub(super) fn make(procfs: Procfs, tools: Option<&Tools>) -> io::Result<Self> {
        let nothing = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        let read_only = nothing | MountAttrFlags::MOUNT_ATTR_NOEXEC | MountAttrFlags::MOUNT_ATTR_RDONLY;
        let devices = DEVICES
            .iter()
            .map(|name| Ok((*name, clone(&format!("/dev/{name}"), OpenTreeFlags::empty())?)))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            devices,
            pts: new("devpts", &[("mode", "0620"), ("ptmxmode", "0666")], MountAttrFlags::MOUNT_ATTR_NOSUID)?,
            folders: vec![
                ("dev", new("tmpfs", &[("mode", "0755")], MountAttrFlags::MOUNT_ATTR_NOSUID)?),
                ("proc", process_files(procfs)?),
                ("sys", new("tmpfs", &[("mode", "0555")], read_only)?),
                ("run", new("tmpfs", &[("mode", "0755")], nothing)?),
                ("tmp", new("tmpfs", &[("mode", "01777")], nothing)?),
                ("var/tmp", new("tmpfs", &[("mode", "01777")], nothing)?),
            ],
            tools: tools
                .map(|tools| {
                    let mount = clone(&tools.folder.to_string_lossy(), OpenTreeFlags::empty())?;
                    system::read_only(mount.as_fd())?;
                    io::Result::Ok((mount, native::links(&tools.native).collect()))
                })
                .transpose()?,
        })
    }

    /// Puts the mounts into the root, which this process is in.
    fn attach(self) -> io::Result<()> {
        for (place, mount) in &self.folders {
            attach(mount, &format!("/{place}"))?;
        }
        for (name, target) in LINKS {
            rustix::fs::symlink(target, format!("/dev/{name}"))?;
        }
        for (name, mount) in &self.devices {
            let place = format!("/dev/{name}");
            drop(rustix::fs::open(&place, OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY, Mode::RUSR)?);
            attach(mount, &place)?;
        }
        folder("/dev/pts", 0o755)?;
        folder("/dev/shm", 0o1777)?;
        attach(&self.pts, "/dev/pts")?;
        let Some((mount, links)) = self.tools else { return Ok(()) };
        folder(PLACE, 0o755)?;
        attach(&mount, PLACE)?;
        for (place, target) in links {
            if let Some(above) = Path::new(&place).parent() {
                std::fs::DirBuilder::new().recursive(true).create(above)?;
            }
            rustix::fs::symlink(target, place)?;
        }
        Ok(())
    }
}

/// `/proc`: of our own pid namespace, or the caller's where the kernel refuses one.
pub(super) fn process_files(procfs: Procfs) -> io::Result<OwnedFd> {
    let flags =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    match procfs {
        Procfs::Own => new("proc", &[], flags),
        Procfs::Bound => clone("/proc", OpenTreeFlags::AT_RECURSIVE),
    }
}

/// Keeps mounts made here from going anywhere else.
pub(super) fn private() -> io::Result<()> {
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

/// Gives the working directory a path that everyone may walk, [`WORK`], and goes there: the host's own way to it may
/// lead through folders that root inside may not enter, and libraries turn relative paths into absolute ones.
pub(super) fn reach_work() -> io::Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let here = open_tree(CWD, ".", flags)?;
    move_mount(&here, "", CWD, WORK, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?;
    Ok(chdir(WORK)?)
}

/// Makes a folder this process's root, with the mounts in it and nothing of the old one reachable.
pub(super) fn enter(root: &Path, mounts: Mounts) -> io::Result<()> {
    mount_bind_recursive(root, root)?;
    chdir(root)?;
    // pivot_root(2), "pivot_root(".", ".")": the old root comes to lie over the new one and is taken off.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;

    FOLDERS.iter().try_for_each(|(name, mode)| folder(&format!("/{name}"), *mode))?;
    mounts.attach()
}

/// A folder of exactly this mode, unless there is something already.
fn folder(path: &str, mode: u32) -> io::Result<()> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Ok(()) => Ok(rustix::fs::chmod(path, Mode::from_raw_mode(mode))?),
        Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn new(kind: &str, options: &[(&str, &str)], flags: MountAttrFlags) -> io::Result<OwnedFd> {
    let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        fsconfig_set_string(context.as_fd(), *key, *value)?;
    }
    fsconfig_create(context.as_fd())?;
    Ok(fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
}

fn clone(path: &str, more: OpenTreeFlags) -> io::Result<OwnedFd> {
    Ok(open_tree(CWD, path, OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | more)?)
}

fn attach(mount: &OwnedFd, place: &str) -> io::Result<()> {
    Ok(move_mount(mount.as_fd(), "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}
