//! A file tree as a value: what the installer makes, `system` changes and the disk writer writes.
//!
//! Names are bytes, owners are numbers, contents are named by where they lie; nothing here reads or
//! writes a disk but [`Content::open`].

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

/// A path below the root: bytes, relative, normalised (no empty, `.` or `..` component). The root itself is empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelPath(Vec<u8>);

impl RelPath {
    /// The root.
    pub const ROOT: Self = Self(Vec::new());

    /// Normalises an absolute or relative path: drops leading, trailing and double slashes and `.` components.
    ///
    /// # Errors
    /// A `..` component or a zero byte is refused: nothing that comes from outside may climb.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, BadPath> {
        let path = path.as_ref();
        let mut out = Vec::with_capacity(path.len());
        for part in path.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".") {
            if part == b".." || part.contains(&0) {
                return Err(BadPath(String::from_utf8_lossy(path).into_owned()));
            }
            if !out.is_empty() {
                out.push(b'/');
            }
            out.extend_from_slice(part);
        }
        Ok(Self(out))
    }

    /// The path's bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The folder that holds it, or nothing for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let cut = self.0.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        Some(Self(self.0[..cut].to_vec()))
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &[u8] {
        self.0.rsplit(|&byte| byte == b'/').next().unwrap_or(&[])
    }

    /// This path with one more component, or several.
    ///
    /// # Errors
    /// As [`RelPath::new`].
    pub fn join(&self, below: impl AsRef<[u8]>) -> Result<Self, BadPath> {
        let mut path = self.0.clone();
        path.push(b'/');
        path.extend_from_slice(below.as_ref());
        Self::new(path)
    }

    /// Whether this is `folder` or lies below it.
    pub fn starts_with(&self, folder: &Self) -> bool {
        folder.is_root()
            || self.0.strip_prefix(folder.0.as_slice()).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }

    /// What is left below `folder`, or nothing when it does not lie there.
    pub fn strip(&self, folder: &Self) -> Option<Self> {
        if !self.starts_with(folder) {
            return None;
        }
        let rest = &self.0[folder.0.len()..];
        Some(Self(rest.strip_prefix(b"/").unwrap_or(rest).to_vec()))
    }

    /// The path of the same file below `root` on the host. For rowi's own folders only: it does not
    /// guard against symbolic links (`root::place` does).
    pub fn below(&self, root: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        root.join(std::ffi::OsStr::from_bytes(&self.0))
    }
}

/// With the leading slash that people expect.
impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path that would leave the root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path below the root")]
pub struct BadPath(String);

/// Seconds and nanoseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time {
    /// Seconds, may be negative.
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}

/// One file, folder, link or device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it is, with its content.
    pub kind: Kind,
    /// Permission bits with set-user-id, set-group-id and sticky: 0 to 0o7777. No type bits.
    pub mode: u32,
    /// Owner, as the installed system numbers it.
    pub uid: u32,
    /// Group, as the installed system numbers it.
    pub gid: u32,
    /// Modification time. Access time is written the same; change and birth time are the epoch.
    pub mtime: Time,
    /// Extended attributes by full name (`security.capability` in its version 2 form, `system.posix_acl_access`, …).
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Node {
    /// A folder of root's.
    pub fn directory(mode: u32, mtime: Time) -> Self {
        Self { kind: Kind::Directory, mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new() }
    }

    /// A file of root's.
    pub fn file(content: Content, mode: u32, mtime: Time) -> Self {
        Self { kind: Kind::File { content, link: None }, mode, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new() }
    }

    /// A symbolic link of root's.
    pub fn symlink(target: impl Into<Vec<u8>>, mtime: Time) -> Self {
        Self {
            kind: Kind::Symlink { target: target.into() },
            mode: 0o777,
            uid: 0,
            gid: 0,
            mtime,
            xattrs: BTreeMap::new(),
        }
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A regular file.
    File {
        /// Its bytes.
        content: Content,
        /// Names that share one inode carry the same number here; everything else of theirs is equal.
        link: Option<LinkSet>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, as written.
        target: Vec<u8>,
    },
    /// A character device (0:0 is an overlay file system's whiteout).
    CharDevice {
        /// Driver.
        major: u32,
        /// Device of that driver.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Driver.
        major: u32,
        /// Device of that driver.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
    /// A socket's name.
    Socket,
}

/// The identity of a set of hard links within one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkSet(pub u64);

/// A file's bytes: held, or lying in a file of rowi's own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Held in memory.
    Held(Arc<[u8]>),
    /// `length` bytes from `offset` of the file at `path`, which does not change while the tree lives.
    Stored {
        /// A file of rowi's own work folder.
        path: Arc<Path>,
        /// Where the content begins in it.
        offset: u64,
        /// Its length in bytes.
        length: u64,
    },
}

impl Content {
    /// Number of bytes.
    pub fn len(&self) -> u64 {
        match self {
            Self::Held(bytes) => bytes.len() as u64,
            Self::Stored { length, .. } => *length,
        }
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens the content for reading from its start; gives exactly [`Content::len`] bytes or fails.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match self {
            Self::Held(bytes) => Box::new(&bytes[..]),
            Self::Stored { path, offset, length } => {
                let mut file = fs_err::File::open(path.as_ref())?;
                file.seek(SeekFrom::Start(*offset))?;
                Box::new(file.take(*length))
            }
        })
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// The file cannot be read, or is shorter than it was.
    pub fn read(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.len()).unwrap_or(0));
        self.open()?.read_to_end(&mut bytes)?;
        if bytes.len() as u64 != self.len() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a stored file is shorter than it was"));
        }
        Ok(bytes)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(bytes) => write!(f, "Held({} bytes)", bytes.len()),
            Self::Stored { path, offset, length } => write!(f, "Stored({}+{offset}, {length} bytes)", path.display()),
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Held(text.as_bytes().into())
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Held(bytes.into())
    }
}

/// All files of a root, in path order: a folder always comes before what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<RelPath, Node>,
}

impl Tree {
    /// A tree with nothing in it, not even its root.
    pub fn new() -> Self {
        Self::default()
    }

    /// The node at `path`. Symbolic links are not followed.
    pub fn get(&self, path: &RelPath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// The same by text, for paths that the code itself names; one that is not a path finds nothing.
    pub fn at(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&RelPath::new(path).ok()?)
    }

    /// The node at `path`, to change it.
    pub fn get_mut(&mut self, path: &RelPath) -> Option<&mut Node> {
        self.nodes.get_mut(path)
    }

    /// Puts a node at `path`, returning what was there.
    pub fn insert(&mut self, path: RelPath, node: Node) -> Option<Node> {
        self.nodes.insert(path, node)
    }

    /// Takes the node at `path` away, with everything below it.
    pub fn remove(&mut self, path: &RelPath) {
        self.nodes.retain(|at, _| !at.starts_with(path));
    }

    /// All nodes in path order.
    pub fn iter(&self) -> impl Iterator<Item = (&RelPath, &Node)> {
        self.nodes.iter()
    }

    /// All nodes in path order, to change them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&RelPath, &mut Node)> {
        self.nodes.iter_mut()
    }

    /// What lies directly in `folder`, in path order.
    pub fn children<'tree>(&'tree self, folder: &'tree RelPath) -> impl Iterator<Item = (&'tree RelPath, &'tree Node)> {
        self.below(folder).filter(move |(path, _)| path.parent().as_ref() == Some(folder))
    }

    /// Everything below `folder`, itself left out, in path order.
    pub fn below<'tree>(&'tree self, folder: &'tree RelPath) -> impl Iterator<Item = (&'tree RelPath, &'tree Node)> {
        // `a-b` sorts between `a` and `a/b`, so what is below is not one run; it ends where the prefix does.
        self.nodes
            .range(folder.clone()..)
            .skip_while(move |(path, _)| *path == folder)
            .take_while(move |(path, _)| path.as_bytes().starts_with(folder.as_bytes()))
            .filter(move |(path, _)| path.starts_with(folder))
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl FromIterator<(RelPath, Node)> for Tree {
    fn from_iter<I: IntoIterator<Item = (RelPath, Node)>>(nodes: I) -> Self {
        Self { nodes: nodes.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn paths_are_normalised_and_never_climb() {
        assert_eq!(path("//usr/./bin/").as_bytes(), b"usr/bin");
        assert_eq!(path("/").to_string(), "/");
        assert!(RelPath::new("a/../b").is_err());
        assert!(RelPath::new(b"a\0b").is_err());
        assert_eq!(path("/usr/bin/sh").parent(), Some(path("/usr/bin")));
        assert_eq!(path("usr").parent(), Some(RelPath::ROOT));
        assert!(path("usr/bin").starts_with(&path("usr")));
        assert!(!path("usrx").starts_with(&path("usr")));
        assert_eq!(path("usr/bin/sh").strip(&path("usr")), Some(path("bin/sh")));
    }

    #[test]
    fn what_is_below_a_folder_skips_names_that_only_begin_alike() {
        let folder = || Node::directory(0o755, Time::default());
        let tree: Tree =
            ["", "a", "a-b", "a-b/c", "a/b", "a/b/c", "ab"].map(|name| (path(name), folder())).into_iter().collect();
        let names = |list: Vec<(&RelPath, &Node)>| list.iter().map(|(path, _)| path.to_string()).collect::<Vec<_>>();
        assert_eq!(names(tree.below(&path("a")).collect()), ["/a/b", "/a/b/c"]);
        assert_eq!(names(tree.children(&RelPath::ROOT).collect()), ["/a", "/a-b", "/ab"]);
    }
}
