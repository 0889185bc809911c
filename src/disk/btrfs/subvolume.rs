//! A subvolume's tree of files becomes numbered inodes, and those become items.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
};

use super::{
    FileSystem,
    data::{FileExtent, Job},
    format::{FIRST_FREE, Key, SUBVOL_RDONLY, entry, extref_hash, inode, kind, name_hash, tree},
    items::{self, Files, Item},
    node::{self, MAX_ITEM},
};
use crate::tree::{Content, Kind, LinkSet, Node, RelPath, Time};

/// Longest content that is kept in its item.
pub(super) const MAX_INLINE: u64 = 2048;
/// Permissions of folders that are made on the way to a subvolume.
const MADE: u32 = 0o755;

/// The top level or a subvolume, numbered.
pub(super) struct Volume<'a> {
    pub(super) id: u64,
    pub(super) files: Files,
    nodatacow: bool,
    inodes: Vec<Inode<'a>>,
    pub(super) nested: Vec<Nested>,
}

/// A subvolume's entry in the one that holds it.
pub(super) struct Nested {
    pub(super) id: u64,
    pub(super) folder: u64,
    pub(super) index: u64,
    pub(super) name: Vec<u8>,
}

struct Inode<'a> {
    node: Cow<'a, Node>,
    names: Vec<Name>,
    entries: Vec<Entry>,
}

/// A name of an inode.
#[derive(Clone)]
struct Name {
    folder: u64,
    index: u64,
    name: Vec<u8>,
}

/// What a folder says of a name.
struct Entry {
    index: u64,
    name: Vec<u8>,
    location: Key,
    kind: u8,
}

/// What is at a path.
enum Place<'a> {
    Node(Cow<'a, Node>),
    Subvolume(u64),
}

/// Id of a subvolume by its place in the list.
pub(super) fn id(number: usize) -> u64 {
    FIRST_FREE + number as u64
}

/// The subvolume that holds the one at `path`, by its place in the list; nothing is the top level.
pub(super) fn holder(fs: &FileSystem, path: &RelPath) -> Option<usize> {
    let above = |other: &RelPath| other != path && path.starts_with(other);
    (0..fs.subvolumes.len())
        .filter(|&number| above(&fs.subvolumes[number].path))
        .max_by_key(|&number| fs.subvolumes[number].path.as_bytes().len())
}

/// The top level and all subvolumes.
pub(super) fn number(fs: &FileSystem) -> Vec<Volume<'_>> {
    let time = Time { seconds: fs.epoch.0, nanos: 0 };
    let mut volumes = Vec::with_capacity(fs.subvolumes.len() + 1);
    let top = BTreeMap::from([(RelPath::ROOT, Place::Node(Cow::Owned(Node::directory(MADE, time))))]);
    let files = Files { flags: 0, uuid: [0; 16], time };
    volumes.push(Numbering::run(tree::FS, files, false, with_nested(fs, None, top)));
    for (number, subvolume) in fs.subvolumes.iter().enumerate() {
        let own = subvolume.tree.iter().map(|(path, node)| (path.clone(), Place::Node(Cow::Borrowed(node)))).collect();
        let places = with_nested(fs, Some(number), own);
        let flags = if subvolume.read_only { SUBVOL_RDONLY } else { 0 };
        let files = Files { flags, uuid: subvolume.uuid, time };
        volumes.push(Numbering::run(id(number), files, subvolume.nodatacow, places));
    }
    volumes
}

/// The places of a subvolume with those that it holds, and the folders on the way to them.
fn with_nested<'a>(
    fs: &FileSystem,
    number: Option<usize>,
    mut places: BTreeMap<RelPath, Place<'a>>,
) -> BTreeMap<RelPath, Place<'a>> {
    let base = number.map_or(RelPath::ROOT, |number| fs.subvolumes[number].path.clone());
    let time = Time { seconds: fs.epoch.0, nanos: 0 };
    for (nested, subvolume) in fs.subvolumes.iter().enumerate() {
        if holder(fs, &subvolume.path) != number {
            continue;
        }
        let path = subvolume.path.strip(&base).unwrap_or_default();
        let mut above = path.parent();
        while let Some(folder) = above {
            above = folder.parent();
            places.entry(folder).or_insert_with(|| Place::Node(Cow::Owned(Node::directory(MADE, time))));
        }
        places.insert(path, Place::Subvolume(id(nested)));
    }
    places
}

/// Numbers what it is given in path order.
struct Numbering<'a> {
    volume: Volume<'a>,
    folders: HashMap<RelPath, u64>,
    links: HashMap<LinkSet, u64>,
}

impl<'a> Numbering<'a> {
    fn run(id: u64, files: Files, nodatacow: bool, places: BTreeMap<RelPath, Place<'a>>) -> Volume<'a> {
        let volume = Volume { id, files, nodatacow, inodes: Vec::new(), nested: Vec::new() };
        let mut numbering = Self { volume, folders: HashMap::new(), links: HashMap::new() };
        for (path, place) in places {
            numbering.add(path, place);
        }
        numbering.volume
    }

    fn add(&mut self, path: RelPath, place: Place<'a>) {
        let node = match place {
            Place::Subvolume(id) => return self.add_subvolume(&path, id),
            Place::Node(node) => node,
        };
        let entry_kind = entry_kind(&node.kind);
        let link = match node.kind {
            Kind::File { link, .. } => link,
            _ => None,
        };
        let known = link.and_then(|link| self.links.get(&link).copied());
        let number = known.unwrap_or_else(|| self.add_inode(node));
        if let Some(link) = link {
            self.links.insert(link, number);
        }
        if entry_kind == entry::DIR {
            self.folders.insert(path.clone(), number);
        }
        let name = if path.is_root() {
            // The root folder's name for itself.
            Name { folder: number, index: 0, name: b"..".to_vec() }
        } else {
            self.add_entry(&path, Key::new(number, kind::INODE_ITEM, 0), entry_kind)
        };
        self.inode(number).names.push(name);
    }

    fn add_subvolume(&mut self, path: &RelPath, id: u64) {
        let name = self.add_entry(path, Key::new(id, kind::ROOT_ITEM, u64::MAX), entry::DIR);
        self.volume.nested.push(Nested { id, folder: name.folder, index: name.index, name: name.name });
    }

    fn add_inode(&mut self, node: Cow<'a, Node>) -> u64 {
        let number = FIRST_FREE + self.volume.inodes.len() as u64;
        self.volume.inodes.push(Inode { node, names: Vec::new(), entries: Vec::new() });
        number
    }

    fn add_entry(&mut self, path: &RelPath, location: Key, kind: u8) -> Name {
        // `check` found a folder for every path.
        let folder = path.parent().and_then(|parent| self.folders.get(&parent).copied()).unwrap_or(FIRST_FREE);
        let entries = &mut self.inode(folder).entries;
        let index = entries.len() as u64 + 2; // 0 and 1 are for `.` and `..`
        let name = path.file_name().to_vec();
        entries.push(Entry { index, name: name.clone(), location, kind });
        Name { folder, index, name }
    }

    fn inode(&mut self, number: u64) -> &mut Inode<'a> {
        &mut self.volume.inodes[(number - FIRST_FREE) as usize]
    }
}

fn entry_kind(kind: &Kind) -> u8 {
    match kind {
        Kind::Directory => entry::DIR,
        Kind::File { .. } => entry::FILE,
        Kind::Symlink { .. } => entry::SYMLINK,
        Kind::CharDevice { .. } => entry::CHRDEV,
        Kind::BlockDevice { .. } => entry::BLKDEV,
        Kind::Fifo => entry::FIFO,
        Kind::Socket => entry::SOCK,
    }
}

/// The type bits of `st_mode`.
fn type_bits(kind: &Kind) -> u32 {
    match kind {
        Kind::Fifo => 0o010_000,
        Kind::CharDevice { .. } => 0o020_000,
        Kind::Directory => 0o040_000,
        Kind::BlockDevice { .. } => 0o060_000,
        Kind::File { .. } => 0o100_000,
        Kind::Symlink { .. } => 0o120_000,
        Kind::Socket => 0o140_000,
    }
}

impl Volume<'_> {
    /// Files whose content needs extents, with their inodes' numbers, ascending.
    pub(super) fn jobs(&self) -> impl Iterator<Item = (u64, Job<'_>)> {
        self.inodes.iter().zip(FIRST_FREE..).filter_map(|(inode, number)| match &inode.node.kind {
            Kind::File { content, .. } if content.len() > MAX_INLINE => {
                Some((number, Job { content, nodatacow: self.nodatacow }))
            }
            _ => None,
        })
    }

    /// All items in order; `extents` are those of [`Volume::jobs`] in the same order.
    pub(super) fn items(&self, ctime: Time, extents: &[Vec<FileExtent>]) -> std::io::Result<Vec<Item>> {
        let mut items = Vec::new();
        let mut extents = extents.iter();
        for (inode, number) in self.inodes.iter().zip(FIRST_FREE..) {
            let (size, bytes) = self.add_content(&mut items, inode, number, &mut extents)?;
            items.push(self.inode_item(inode, number, size, bytes, ctime));
            add_names(&mut items, inode, number);
            for (name, value) in &inode.node.xattrs {
                let key = Key::new(number, kind::XATTR_ITEM, name_hash(name));
                items.push(Item::new(key, items::xattr(name, value)));
            }
            for entry in &inode.entries {
                let data = items::dir_item(entry.location, &entry.name, entry.kind);
                items.push(Item::new(Key::new(number, kind::DIR_INDEX, entry.index), data.clone()));
                items.push(Item::new(Key::new(number, kind::DIR_ITEM, name_hash(&entry.name)), data));
            }
        }
        Ok(node::sorted(items))
    }

    fn inode_item(&self, inode: &Inode<'_>, number: u64, size: u64, bytes: u64, ctime: Time) -> Item {
        let node = &inode.node;
        let flags = match &node.kind {
            Kind::File { .. } if self.nodatacow => inode::NODATACOW | inode::NODATASUM,
            Kind::Directory if self.nodatacow => inode::NODATACOW,
            _ => 0,
        };
        let device = match node.kind {
            Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor } => {
                u64::from(major) << 20 | u64::from(minor)
            }
            _ => 0,
        };
        let item = items::Inode {
            size,
            bytes,
            links: inode.names.len() as u32, // at most LINK_MAX
            uid: node.uid,
            gid: node.gid,
            mode: type_bits(&node.kind) | node.mode,
            device,
            flags,
            mtime: node.mtime,
            ctime,
        };
        Item::new(Key::new(number, kind::INODE_ITEM, 0), item.encode())
    }

    /// Adds EXTENT_DATA; gives the size and the bytes in extents.
    fn add_content<'e>(
        &self,
        items: &mut Vec<Item>,
        inode: &Inode<'_>,
        number: u64,
        extents: &mut impl Iterator<Item = &'e Vec<FileExtent>>,
    ) -> std::io::Result<(u64, u64)> {
        let content = match &inode.node.kind {
            Kind::Directory => {
                // Each name counts twice: by hash and by index.
                return Ok((inode.entries.iter().map(|entry| 2 * entry.name.len() as u64).sum(), 0));
            }
            Kind::Symlink { target } => &Content::Held(target.as_slice().into()),
            Kind::File { content, .. } => content,
            _ => return Ok((0, 0)),
        };
        let size = content.len();
        if size > MAX_INLINE && matches!(inode.node.kind, Kind::File { .. }) {
            let mut bytes = 0;
            for extent in extents.next().into_iter().flatten() {
                let data = items::regular_extent(extent.address, extent.disk_length, extent.length, extent.packed);
                items.push(Item::new(Key::new(number, kind::EXTENT_DATA, extent.offset), data));
                bytes += if extent.is_hole() { 0 } else { extent.length };
            }
            return Ok((size, bytes));
        }
        if size > 0 {
            let data = items::inline_extent(&content.read()?);
            items.push(Item::new(Key::new(number, kind::EXTENT_DATA, 0), data));
        }
        Ok((size, size))
    }
}

/// Adds INODE_REFs, and INODE_EXTREFs for what does not fit one.
fn add_names(items: &mut Vec<Item>, inode: &Inode<'_>, number: u64) {
    let mut filled: HashMap<u64, usize> = HashMap::new();
    for name in &inode.names {
        let data = items::inode_ref(name.index, &name.name);
        let used = filled.entry(name.folder).or_default();
        if *used + data.len() <= MAX_ITEM {
            *used += data.len();
            items.push(Item::new(Key::new(number, kind::INODE_REF, name.folder), data));
        } else {
            let key = Key::new(number, kind::INODE_EXTREF, extref_hash(name.folder, &name.name));
            items.push(Item::new(key, items::inode_extref(name.folder, name.index, &name.name)));
        }
    }
}
