//! Staged files appear in the root: one package at a time, in the order of the transaction, as rpm's fsm.cc does it.
//!
//! A regular file is renamed from its staging folder, whatever is there gives way to it; folders get this package's
//! mode and owner even where another package made them; links and nodes are made under a name of their own and renamed.

use std::{
    collections::{BTreeMap, HashMap},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use rustix::{
    fs::{self, AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags},
    io::Errno,
};

use super::{Error, accounts::Accounts, capability, fate::Fate, package::Package, place::Root, stage::Staged};
use crate::{
    report::Report,
    rpm::{FileEntry, FileKind},
    tree::{Kind, Node, RelPath, Time},
};

/// Places packages' files.
#[derive(Debug)]
pub(super) struct Commit {
    /// Where they are placed.
    pub(super) root: Root,
    /// Who may own them; read anew after every scriptlet.
    pub(super) accounts: Accounts,
    /// Device nodes that the namespace does not let us make: an empty file stands for each until the tree is read.
    pub(super) devices: BTreeMap<RelPath, Node>,
    /// Packages' files that are owned by names the root does not know.
    pub(super) unknown_owners: u64,
    /// Files placed.
    pub(super) placed: u64,
}

/// Where the first name of each set of hard links was placed, by inode.
type Links = HashMap<(u32, u32), (Rc<OwnedFd>, Vec<u8>)>;

/// Owner, group and permission bits.
#[derive(Clone, Copy)]
struct Owner {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Commit {
    pub(super) fn new(root: Root) -> io::Result<Self> {
        let mut commit =
            Self { root, accounts: Accounts::default(), devices: BTreeMap::new(), unknown_owners: 0, placed: 0 };
        commit.refresh()?;
        Ok(commit)
    }

    /// After anything else worked on the root: names may mean other folders and other numbers.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        self.root.forget();
        self.accounts = Accounts::read(&mut self.root)?;
        Ok(())
    }

    /// Places all files of a package.
    pub(super) fn package(
        &mut self,
        package: &Package,
        fates: &[Fate],
        staged: &Staged,
        report: &Report,
    ) -> Result<(), Error> {
        let mut links = Links::new();
        for (file, fate) in package.files.iter().zip(fates) {
            if !fate.is_placed() {
                continue;
            }
            let owner = self.owner(package, file, report);
            self.file(file, *fate, owner, staged, &mut links).map_err(|source| Error::Place {
                package: package.label.clone(),
                path: file.path.clone(),
                source,
            })?;
            self.placed += 1;
        }
        Ok(())
    }

    /// rpm's rule: who is not known is root, and a program then does not run as its owner.
    fn owner(&mut self, package: &Package, file: &FileEntry, report: &Report) -> Owner {
        let mut owner = Owner { uid: 0, gid: 0, mode: file.mode };
        let mut missing = Vec::new();
        match self.accounts.user(&file.user) {
            Some(uid) => owner.uid = uid,
            None => {
                owner.mode &= !0o4000;
                missing.push(format!("user `{}`", file.user));
            }
        }
        match self.accounts.group(&file.group) {
            Some(gid) => owner.gid = gid,
            None => {
                owner.mode &= !0o2000;
                missing.push(format!("group `{}`", file.group));
            }
        }
        for name in missing {
            self.unknown_owners += 1;
            report.warn(format!("`{}`: {name} does not exist, `{}` belongs to root", package.label, file.path));
        }
        owner
    }

    fn file(
        &mut self,
        file: &FileEntry,
        fate: Fate,
        owner: Owner,
        staged: &Staged,
        links: &mut Links,
    ) -> io::Result<()> {
        if file.kind == FileKind::Directory {
            return self.folder(file, owner);
        }
        let folder = self.root.make_folder(&file.path.parent().unwrap_or_default())?;
        let name = match fate {
            Fate::PlaceAsNew => [file.path.file_name(), b".rpmnew"].concat(),
            _ => file.path.file_name().to_vec(),
        };
        if fate == Fate::SaveOriginal {
            let saved = [file.path.file_name(), b".rpmorig"].concat();
            fs::renameat(&*folder, name.as_slice(), &*folder, saved.as_slice())?;
        }
        if file.kind != FileKind::Regular {
            return self.special(file, owner, folder.as_fd(), &name);
        }
        if let Some((from, first)) = links.get(&file.inode) {
            return replace(folder.as_fd(), &name, |temporary| {
                fs::linkat(&**from, first.as_slice(), &*folder, temporary, AtFlags::empty())
            });
        }
        staged.place(file.index, folder.as_fd(), &name)?;
        if (owner.uid, owner.gid, owner.mode) != (0, 0, file.mode) {
            claim(folder.as_fd(), &name, file, owner)?;
        }
        if staged.is_linked(file) {
            links.insert(file.inode, (folder, name));
        }
        Ok(())
    }

    fn folder(&mut self, file: &FileEntry, owner: Owner) -> io::Result<()> {
        let opened = if file.path.is_root() {
            self.root.folder(&RelPath::ROOT)?
        } else {
            let above = self.root.make_folder(&file.path.parent().unwrap_or_default())?;
            let name = file.path.file_name();
            match fs::mkdirat(&*above, name, Mode::from_raw_mode(0o700)) {
                Ok(()) => {}
                Err(Errno::EXIST) => self.make_way(above.as_fd(), file)?,
                Err(error) => return Err(error.into()),
            }
            self.root.folder(&file.path)?
        };
        if (owner.uid, owner.gid) != (0, 0) || fs::fstat(&*opened)?.st_uid != 0 {
            fs::fchown(&*opened, Some(Uid::from_raw(owner.uid)), Some(Gid::from_raw(owner.gid)))?;
        }
        fs::fchmod(&*opened, Mode::from_raw_mode(owner.mode))?;
        Ok(fs::futimens(&*opened, &times(file.mtime))?)
    }

    /// A folder, or a link to one that is to be trusted, stays; anything else is taken away for the folder.
    fn make_way(&mut self, above: BorrowedFd<'_>, file: &FileEntry) -> io::Result<()> {
        match self.root.folder(&file.path) {
            Ok(_) => return Ok(()),
            Err(error)
                if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR | libc::EPERM | libc::ELOOP)) => {}
            Err(error) => return Err(error),
        }
        fs::unlinkat(above, file.path.file_name(), AtFlags::empty())?;
        Ok(fs::mkdirat(above, file.path.file_name(), Mode::from_raw_mode(0o700))?)
    }

    fn special(&mut self, file: &FileEntry, owner: Owner, folder: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        let mode = Mode::from_raw_mode(0o600);
        let node = |temporary: &str, kind, device| fs::mknodat(folder, temporary, kind, mode, device);
        match &file.kind {
            FileKind::Symlink { target } => {
                replace(folder, name, |temporary| fs::symlinkat(target.as_slice(), folder, temporary))?;
            }
            FileKind::Fifo => replace(folder, name, |temporary| node(temporary, FileType::Fifo, 0))?,
            FileKind::Socket => replace(folder, name, |temporary| node(temporary, FileType::Socket, 0))?,
            &FileKind::CharDevice { major, minor } => {
                self.device(file, owner, Kind::CharDevice { major, minor });
                let device = fs::makedev(major, minor);
                replace(folder, name, |temporary| {
                    node(temporary, FileType::CharacterDevice, device)
                        .or_else(|error| stand_in(folder, temporary, error))
                })?;
            }
            &FileKind::BlockDevice { major, minor } => {
                self.device(file, owner, Kind::BlockDevice { major, minor });
                let device = fs::makedev(major, minor);
                replace(folder, name, |temporary| {
                    node(temporary, FileType::BlockDevice, device).or_else(|error| stand_in(folder, temporary, error))
                })?;
            }
            FileKind::Directory | FileKind::Regular => {}
        }
        claim(folder, name, file, owner)
    }

    fn device(&mut self, file: &FileEntry, owner: Owner, kind: Kind) {
        let mtime = Time { seconds: file.mtime, nanos: 0 };
        let Owner { uid, gid, mode } = owner;
        let node = Node { kind, mode, uid, gid, mtime, xattrs: BTreeMap::new() };
        self.devices.insert(file.path.clone(), node);
    }
}

/// A namespace of a user's may not make device nodes.
fn stand_in(folder: BorrowedFd<'_>, name: &str, error: Errno) -> Result<(), Errno> {
    if error != Errno::PERM {
        return Err(error);
    }
    let how = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
    fs::openat(folder, name, how, Mode::from_raw_mode(0o600)).map(drop)
}

/// Makes something at a name that may be taken.
fn replace(folder: BorrowedFd<'_>, name: &[u8], make: impl Fn(&str) -> Result<(), Errno>) -> io::Result<()> {
    let temporary = ".rowi-new";
    match fs::unlinkat(folder, temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    make(temporary)?;
    // Two names of one file: rename would do nothing and leave the temporary one.
    if let Err(error) = fs::renameat(folder, temporary, folder, name) {
        let _ = fs::unlinkat(folder, temporary, AtFlags::empty());
        return Err(error.into());
    }
    match fs::unlinkat(folder, temporary, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Owner first: changing it takes away set-user-id bits and capabilities.
fn claim(folder: BorrowedFd<'_>, name: &[u8], file: &FileEntry, owner: Owner) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid));
    fs::chownat(folder, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    if !matches!(file.kind, FileKind::Symlink { .. }) {
        fs::chmodat(folder, name, Mode::from_raw_mode(owner.mode), AtFlags::empty())?;
    }
    if file.kind == FileKind::Regular && !file.caps.is_empty() {
        let opened = fs::openat(folder, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        set_capabilities(opened.as_fd(), file)?;
    }
    Ok(fs::utimensat(folder, name, &times(file.mtime), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Writes a file's capabilities, if it has any.
pub(super) fn set_capabilities(opened: BorrowedFd<'_>, file: &FileEntry) -> io::Result<()> {
    let bytes = capability::from_text(&file.caps)
        .map_err(|text| io::Error::new(io::ErrorKind::InvalidData, format!("`{text}` is no set of capabilities")))?;
    Ok(fs::fsetxattr(opened, "security.capability", &bytes, XattrFlags::empty())?)
}

/// A package's time for access and modification.
pub(super) fn times(seconds: i64) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: time, last_modification: time }
}
