//! A folder becomes a list of its names with everything that two trees are compared in, read by system calls alone:
//! rowi's own reader of trees is not asked, so that its faults are seen too.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    io,
    os::unix::{ffi::OsStrExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

use rowi::{tree::Kind, units::Epoch};
use sha2::{Digest, Sha256};

/// One name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// What it is, with a link's target, a device's numbers, a file's length and SHA-256.
    what: String,
    mode: u32,
    owner: (u32, u32),
    /// Seconds and nanoseconds; nothing for a folder: packages that come later change it (`ENGINEERING` I.20).
    mtime: Option<(i64, i64)>,
    /// Capabilities among them.
    attributes: BTreeMap<String, Vec<u8>>,
    /// The other names of the file.
    linked: BTreeSet<PathBuf>,
}

/// All names below a folder, itself included, absolute as in a root.
pub(super) type Nodes = BTreeMap<PathBuf, Node>;

/// Where an image shows its root a second time.
const SNAPSHOTS: &str = "/.snapshots";

/// Reads a tree, over mounts too; what is below [`SNAPSHOTS`] is left out.
pub(super) fn walk(root: &Path) -> Nodes {
    let mut names = BTreeSet::from([PathBuf::from("/")]);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let name = Path::new("/").join(entry.path().strip_prefix(root).unwrap());
            let is_walked = name != Path::new(SNAPSHOTS) && entry.file_type().unwrap().is_dir();
            names.insert(name);
            if is_walked {
                folders.push(entry.path());
            }
        }
    }
    let names: Vec<PathBuf> = names.into_iter().collect();
    // Threads of this thread's own: others may be in another mount namespace.
    let half = names.len() / 2;
    let read = |names: &[PathBuf]| names.iter().map(|name| node(root, name)).collect::<Vec<_>>();
    let mut all = std::thread::scope(|scope| {
        let second = scope.spawn(|| read(&names[half..]));
        let mut all = read(&names[..half]);
        all.extend(second.join().unwrap());
        all
    });
    let mut files: HashMap<(u64, u64), BTreeSet<PathBuf>> = HashMap::new();
    for (name, (inode, _)) in names.iter().zip(&all) {
        files.entry(*inode).or_default().insert(name.clone());
    }
    for (name, (inode, node)) in names.iter().zip(&mut all) {
        node.linked = files[inode].iter().filter(|other| *other != name).cloned().collect();
    }
    names.into_iter().zip(all.into_iter().map(|(_, node)| node)).collect()
}

fn node(root: &Path, name: &Path) -> ((u64, u64), Node) {
    let path = root.join(name.strip_prefix("/").unwrap());
    let found = fs_err::symlink_metadata(&path).unwrap();
    let numbers = || format!("{}:{}", rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
    let what = match found.mode() & libc::S_IFMT {
        libc::S_IFREG => file(found.len(), &digest(&path).unwrap()),
        libc::S_IFDIR => "folder".into(),
        libc::S_IFLNK => format!("link to {:?}", fs_err::read_link(&path).unwrap()),
        libc::S_IFCHR => format!("character device {}", numbers()),
        libc::S_IFBLK => format!("block device {}", numbers()),
        libc::S_IFIFO => "pipe".into(),
        other => format!("type {other:o}"),
    };
    let node = Node {
        what,
        mode: found.mode() & 0o7777,
        owner: (found.uid(), found.gid()),
        mtime: (!found.is_dir()).then(|| (found.mtime(), found.mtime_nsec())),
        attributes: attributes(&path).unwrap(),
        linked: BTreeSet::new(),
    };
    ((found.dev(), found.ino()), node)
}

fn file(length: u64, digest: &str) -> String {
    format!("file of {length} bytes, {digest}")
}

fn digest(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (fs_err::File::open(path)?, Sha256::new(), vec![0; 1 << 18]);
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&buffer[..read]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Every extended attribute that the kernel shows.
fn attributes(path: &Path) -> io::Result<BTreeMap<String, Vec<u8>>> {
    let mut names = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut names[..])?;
    let mut found = BTreeMap::new();
    for name in names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, std::ffi::OsStr::from_bytes(name), &mut value[..])?;
        value.truncate(length);
        found.insert(String::from_utf8_lossy(name).into_owned(), value);
    }
    Ok(found)
}

/// What rowi's list for all images takes away from a tree is taken away from `nodes`, and times are clamped as rowi
/// clamps them: the list is asked, not repeated.
pub(super) fn normalise(nodes: &mut Nodes, root: &Path, epoch: Epoch) {
    let mut tree = rowi::root::scan(root).unwrap();
    rowi::root::normalise(&mut tree, epoch);
    nodes.retain(|path, _| tree.at(path.to_str().unwrap()).is_some());
    for (path, node) in nodes.iter_mut() {
        if let Kind::File { content, .. } = &tree.at(path.to_str().unwrap()).unwrap().kind
            && content.is_empty()
        {
            node.what = file(0, &hex(&Sha256::digest([])));
        }
        node.mtime = node.mtime.map(|mtime| mtime.min((epoch.0, 0)));
    }
    let left: BTreeSet<PathBuf> = nodes.keys().cloned().collect();
    nodes.values_mut().for_each(|node| node.linked.retain(|name| left.contains(name)));
}

/// Every path that differs, with how.
pub(super) fn differences(ours: &Nodes, theirs: &Nodes) -> BTreeMap<PathBuf, String> {
    let paths: BTreeSet<&PathBuf> = ours.keys().chain(theirs.keys()).collect();
    let told = |path: &&PathBuf| match (ours.get(*path), theirs.get(*path)) {
        (Some(one), Some(other)) => (one != other).then(|| one.against(other)),
        (Some(one), None) => Some(format!("only ours: {}", one.what)),
        (None, Some(other)) => Some(format!("only rpm's: {}", other.what)),
        (None, None) => None,
    };
    paths.iter().filter_map(|path| Some(((*path).clone(), told(path)?))).collect()
}

impl Node {
    fn against(&self, other: &Self) -> String {
        let pairs = [
            (self.what.clone(), other.what.clone()),
            (format!("mode {:o}", self.mode), format!("mode {:o}", other.mode)),
            (format!("owner {:?}", self.owner), format!("owner {:?}", other.owner)),
            (format!("mtime {:?}", self.mtime), format!("mtime {:?}", other.mtime)),
            (format!("attributes {:?}", self.attributes), format!("attributes {:?}", other.attributes)),
            (format!("linked with {:?}", self.linked), format!("linked with {:?}", other.linked)),
        ];
        let told =
            pairs.iter().filter(|(one, other)| one != other).map(|(one, other)| format!("{one} against {other}"));
        told.collect::<Vec<_>>().join("; ")
    }
}
