//! Names in the root become open folders, without ever leaving it: no symbolic link of a package's leads outside.
//!
//! Folders are opened by `openat2` with `RESOLVE_IN_ROOT`, so that `/` in a link means the root's own. rpm follows a
//! linked folder only when the link belongs to root or to the owner of what it points to (`fsmOpen` and `ensureDir` in
//! lib/fsm.cc, rpm ≥ 4.19); so does this. What is made, is made by name within an open folder.

use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    rc::Rc,
};

use rustix::{
    fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use crate::tree::RelPath;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);
/// Longer chains of links are a loop (Linux itself follows 40).
const MOST_LINKS: usize = 40;
/// Open folders that are kept: a package's files come folder by folder.
const MOST_KEPT: usize = 64;

/// The root's folder, and the folders below it that are open.
#[derive(Debug)]
pub struct Root {
    top: Rc<OwnedFd>,
    kept: HashMap<RelPath, Rc<OwnedFd>>,
    openat2: bool,
}

impl Root {
    /// Opens the root.
    ///
    /// # Errors
    /// It is no folder or cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let top = Rc::new(fs::open(path, FOLDER, Mode::empty())?);
        Ok(Self { top, kept: HashMap::new(), openat2: true })
    }

    /// The root's folder itself.
    pub fn top(&self) -> BorrowedFd<'_> {
        self.top.as_fd()
    }

    /// Forgets which folders are open. Needed after anything else worked on the root: a name may mean another folder.
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// Opens a folder, following links within the root.
    ///
    /// # Errors
    /// It does not exist, is no folder, or a link on the way is not to be trusted (`EPERM`) or loops (`ELOOP`).
    pub fn folder(&mut self, path: &RelPath) -> io::Result<Rc<OwnedFd>> {
        if path.is_root() {
            return Ok(self.top.clone());
        }
        if let Some(folder) = self.kept.get(path) {
            return Ok(folder.clone());
        }
        let folder = Rc::new(self.resolve(path)?);
        if self.kept.len() >= MOST_KEPT {
            self.kept.clear();
        }
        self.kept.insert(path.clone(), folder.clone());
        Ok(folder)
    }

    /// Opens a folder and makes what is missing on the way: mode 0755, owned by root, as rpm does for folders that no
    /// package owns.
    ///
    /// # Errors
    /// As [`Root::folder`], or a folder cannot be made.
    pub fn make_folder(&mut self, path: &RelPath) -> io::Result<Rc<OwnedFd>> {
        match self.folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => return done,
        }
        let above = self.make_folder(&path.parent().unwrap_or_default())?;
        match fs::mkdirat(&*above, path.file_name(), Mode::from_raw_mode(0o755)) {
            // The umask is the caller's; a folder that was there is a link to nowhere, and the next line says so.
            Ok(()) => fs::chmodat(&*above, path.file_name(), Mode::from_raw_mode(0o755), AtFlags::empty())?,
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.folder(path)
    }

    fn resolve(&mut self, path: &RelPath) -> io::Result<OwnedFd> {
        if self.openat2 {
            // Nothing on the way is a link: one call.
            let straight = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
            match fs::openat2(&*self.top, path.as_bytes(), FOLDER, Mode::empty(), straight) {
                Ok(folder) => return Ok(folder),
                Err(Errno::LOOP) => {}
                // An old seccomp profile hides the call from containers.
                Err(Errno::NOSYS | Errno::PERM) => self.openat2 = false,
                Err(error) => return Err(error.into()),
            }
        }
        self.walk(path)
    }

    /// Component by component, deciding about every link.
    fn walk(&self, path: &RelPath) -> io::Result<OwnedFd> {
        let mut todo: Vec<Vec<u8>> = components(path.as_bytes()).rev().collect();
        let mut opened: Vec<OwnedFd> = vec![];
        let mut links = 0;
        while let Some(name) = todo.pop() {
            if name == b".." {
                opened.pop();
                continue;
            }
            let at = opened.last().map_or(self.top.as_fd(), AsFd::as_fd);
            match fs::openat(at, name.as_slice(), FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
                Ok(folder) => opened.push(folder),
                Err(error @ (Errno::LOOP | Errno::NOTDIR)) => {
                    let link = fs::statat(at, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)?;
                    if FileType::from_raw_mode(link.st_mode) != FileType::Symlink {
                        return Err(error.into());
                    }
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(Errno::LOOP.into());
                    }
                    self.trust(&link, at, &name)?;
                    let target = fs::readlinkat(at, name.as_slice(), Vec::new())?.into_bytes();
                    if target.first() == Some(&b'/') {
                        opened.clear();
                    }
                    todo.extend(components(&target).rev());
                }
                Err(error) => return Err(error.into()),
            }
        }
        opened.pop().map_or_else(|| self.top.try_clone(), Ok)
    }

    /// A link of root's is followed; another's only to what belongs to the same owner.
    fn trust(&self, link: &fs::Stat, at: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
        if link.st_uid == 0 {
            return Ok(());
        }
        let path = fs::readlinkat(at, name, Vec::new())?.into_bytes();
        let from = if path.first() == Some(&b'/') { self.top.as_fd() } else { at };
        let how = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = if path.first() == Some(&b'/') { ResolveFlags::IN_ROOT } else { ResolveFlags::BENEATH };
        let target = fs::openat2(from, path.as_slice(), how, Mode::empty(), resolve | ResolveFlags::NO_MAGICLINKS)?;
        if fs::fstat(&target)?.st_uid == link.st_uid { Ok(()) } else { Err(Errno::PERM.into()) }
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = Vec<u8>> {
    path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec)
}

/// What is at a name in an open folder; links are not followed.
///
/// # Errors
/// Anything but that nothing is there.
pub fn stat(folder: impl AsFd, name: &[u8]) -> io::Result<Option<fs::Stat>> {
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(found)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn links_are_followed_within_the_root_only() {
        let holder = tempfile::tempdir().unwrap();
        let top = holder.path().join("root");
        fs_err::create_dir_all(top.join("usr/lib")).unwrap();
        fs_err::create_dir_all(top.join("etc")).unwrap();
        for (target, link) in
            [("usr/lib", "lib"), ("/etc", "usr/lib/abs"), ("../../..", "usr/lib/up"), ("loop", "loop")]
        {
            symlink(target, top.join(link)).unwrap();
        }
        let inode = |path: &str| fs_err::metadata(top.join(path)).unwrap().ino();
        for openat2 in [true, false] {
            let mut root = Root::open(&top).unwrap();
            root.openat2 = openat2;
            let mut opened = |name: &str| root.folder(&path(name)).map(|folder| fs::fstat(&*folder).unwrap().st_ino);
            assert_eq!(opened("lib").unwrap(), inode("usr/lib"));
            assert_eq!(opened("lib/abs").unwrap(), inode("etc"), "an absolute link means the root's own");
            assert_eq!(opened("lib/up").unwrap(), inode("."), "nothing climbs out");
            assert_eq!(opened("lib/up/etc").unwrap(), inode("etc"));
            assert_eq!(opened("loop").unwrap_err().raw_os_error(), Some(libc::ELOOP));
            assert_eq!(opened("none").unwrap_err().kind(), io::ErrorKind::NotFound);
        }
    }

    #[test]
    fn missing_folders_are_made_where_links_lead() {
        let holder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(holder.path().join("usr/lib")).unwrap();
        symlink("usr/lib", holder.path().join("lib")).unwrap();
        let mut root = Root::open(holder.path()).unwrap();
        root.make_folder(&path("lib/a/b")).unwrap();
        let made = fs_err::metadata(holder.path().join("usr/lib/a/b")).unwrap();
        assert_eq!(made.mode() & 0o7777, 0o755);
        symlink("nowhere", holder.path().join("broken")).unwrap();
        assert!(root.make_folder(&path("broken/a")).is_err());
    }
}
