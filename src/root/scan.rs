//! A finished root becomes a [`Tree`].
//!
//! It must run where the root's owners are what the installed system will see, inside the namespace: the kernel then
//! gives owners, ACLs and capabilities as the system numbers them. Nothing else may work on the root meanwhile.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use rustix::{
    fs::{self, FileType, Stat},
    io::Errno,
};

use super::capability;
use crate::tree::{Content, Kind, LinkSet, Node, RelPath, Time, Tree};

/// Most bytes of attributes that Linux gives for one file (XATTR_LIST_MAX and XATTR_SIZE_MAX).
const MOST_XATTR: usize = 65_536;

/// Reads a root, from its top folder down; what is mounted in it is left out. Contents stay where they are.
///
/// # Errors
/// Something cannot be read, with its path.
pub fn scan(root: &Path) -> io::Result<Tree> {
    let top = fs::lstat(root).map_err(|error| at(root, error))?;
    let found = folder(root, &RelPath::ROOT, top)?;
    Ok(with_links(found))
}

/// A node, and for files with several names the inode that they share.
struct Found {
    path: RelPath,
    node: Node,
    inode: Option<u64>,
}

fn at(path: &Path, error: impl Into<io::Error>) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// A folder and everything below it; folders next to each other are read side by side.
fn folder(host: &Path, path: &RelPath, stat: Stat) -> io::Result<Vec<Found>> {
    let mut found = vec![Found { path: path.clone(), node: node(host, &stat)?, inode: None }];
    let names =
        fs_err::read_dir(host)?.map(|entry| entry.map(|entry| entry.file_name())).collect::<io::Result<Vec<_>>>()?;
    let below: Vec<Vec<Found>> = names
        .into_par_iter()
        .map(|name| {
            let host: PathBuf = host.join(&name);
            let path = path.join(name.as_bytes()).map_err(io::Error::other)?;
            let inside = fs::lstat(&host).map_err(|error| at(&host, error))?;
            match FileType::from_raw_mode(inside.st_mode) {
                FileType::Directory if inside.st_dev == stat.st_dev => folder(&host, &path, inside),
                FileType::Directory => Ok(vec![Found { path, node: node(&host, &inside)?, inode: None }]),
                _ => {
                    let inode = (inside.st_nlink > 1).then_some(inside.st_ino);
                    Ok(vec![Found { path, node: node(&host, &inside)?, inode }])
                }
            }
        })
        .collect::<io::Result<_>>()?;
    found.extend(below.into_iter().flatten());
    Ok(found)
}

fn node(host: &Path, stat: &Stat) -> io::Result<Node> {
    let file_type = FileType::from_raw_mode(stat.st_mode);
    let (major, minor) = (fs::major(stat.st_rdev), fs::minor(stat.st_rdev));
    let kind = match file_type {
        FileType::Directory => Kind::Directory,
        FileType::Symlink => {
            let target = fs::readlink(host, Vec::new()).map_err(|error| at(host, error))?;
            Kind::Symlink { target: target.into_bytes() }
        }
        FileType::CharacterDevice => Kind::CharDevice { major, minor },
        FileType::BlockDevice => Kind::BlockDevice { major, minor },
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        _ => {
            let length = u64::try_from(stat.st_size).unwrap_or(0);
            Kind::File { content: Content::Stored { path: host.into(), offset: 0, length }, link: None }
        }
    };
    Ok(Node {
        kind,
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: Time { seconds: stat.st_mtime, nanos: u32::try_from(stat.st_mtime_nsec).unwrap_or(0) },
        xattrs: xattrs(host)?,
    })
}

fn xattrs(host: &Path) -> io::Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut names = Vec::with_capacity(256);
    let size = match fs::llistxattr(host, rustix::buffer::spare_capacity(&mut names)) {
        Ok(size) => size,
        Err(Errno::RANGE) => {
            names.reserve(MOST_XATTR);
            fs::llistxattr(host, rustix::buffer::spare_capacity(&mut names)).map_err(|error| at(host, error))?
        }
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(at(host, error)),
    };
    names.truncate(size);
    let mut found = BTreeMap::new();
    for name in names.split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = Vec::with_capacity(MOST_XATTR);
        match fs::lgetxattr(host, OsStr::from_bytes(name), rustix::buffer::spare_capacity(&mut value)) {
            Ok(_) => {}
            Err(Errno::NODATA | Errno::PERM) => continue,
            Err(error) => return Err(at(host, error)),
        }
        value.shrink_to_fit();
        let value = if name == capability::NAME { capability::to_version_2(value) } else { value };
        found.insert(name.to_vec(), value);
    }
    Ok(found)
}

/// Gives names that share an inode one number, counted in path order; a name whose others lie elsewhere has none.
fn with_links(mut found: Vec<Found>) -> Tree {
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    let mut names: HashMap<u64, u32> = HashMap::new();
    for inode in found.iter().filter_map(|found| found.inode) {
        *names.entry(inode).or_default() += 1;
    }
    let mut sets: HashMap<u64, LinkSet> = HashMap::new();
    for Found { node, inode, .. } in &mut found {
        if let (Kind::File { link, .. }, Some(inode)) = (&mut node.kind, inode)
            && names.get(inode).is_some_and(|&names| names > 1)
        {
            let next = LinkSet(sets.len() as u64);
            *link = Some(*sets.entry(*inode).or_insert(next));
        }
    }
    found.into_iter().map(|found| (found.path, found.node)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_read_as_it_lies() {
        let holder = tempfile::tempdir().unwrap();
        let root = holder.path();
        fs_err::create_dir_all(root.join("usr/bin")).unwrap();
        fs_err::write(root.join("usr/bin/b"), "twice").unwrap();
        fs_err::hard_link(root.join("usr/bin/b"), root.join("usr/a")).unwrap();
        fs_err::write(root.join("one"), "1").unwrap();
        std::os::unix::fs::symlink("usr/bin", root.join("bin")).unwrap();
        fs::setxattr(root.join("one"), "user.note", b"x", fs::XattrFlags::CREATE).unwrap();
        fs::mknodat(fs::CWD, root.join("pipe"), FileType::Fifo, fs::Mode::from_raw_mode(0o600), 0).unwrap();
        let tree = scan(root).unwrap();
        assert_eq!(
            tree.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>(),
            ["/", "/bin", "/one", "/pipe", "/usr", "/usr/a", "/usr/bin", "/usr/bin/b"]
        );
        for path in ["usr/a", "usr/bin/b"] {
            let Kind::File { content, link } = &tree.at(path).unwrap().kind else { panic!() };
            assert_eq!((content.read().unwrap(), *link), (b"twice".to_vec(), Some(LinkSet(0))));
        }
        assert_eq!(tree.at("bin").unwrap().kind, Kind::Symlink { target: b"usr/bin".to_vec() });
        assert_eq!(tree.at("one").unwrap().xattrs[b"user.note".as_slice()], b"x");
        assert_eq!(tree.at("pipe").unwrap().kind, Kind::Fifo);
    }
}
