//! A subvolume's items become a [`Tree`].

use std::collections::BTreeMap;

use super::{
    ReadAt, ReadError, Reader, damaged,
    fields::Fields,
    volumes::{self, PATH_MAX},
};
use crate::{
    disk::btrfs::format::{FILE_EXTENT_INLINE, FIRST_FREE, Key, entry, inode, kind},
    tree::{Content, Kind, LinkSet, Node, RelPath, Time, Tree},
};

/// Most bytes of paths, attributes and targets of a subvolume that are kept. Ours: a hundred times a whole system's.
const MOST: usize = 1 << 30;
/// What a file costs beside its names and attributes.
const EACH: usize = 300;

/// `btrfs_inode_item`, as far as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inode {
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) flags: u64,
    uid: u32,
    gid: u32,
    device: u64,
    mtime: Time,
}

impl Inode {
    pub(super) fn parse(item: &[u8]) -> Result<Self, ReadError> {
        let mut fields = Fields::new(item);
        fields.skip(16)?;
        let size = fields.u64()?;
        fields.skip(8 + 8 + 4)?; // bytes, block_group, links
        let (uid, gid, mode, device, flags) =
            (fields.u32()?, fields.u32()?, fields.u32()?, fields.u64()?, fields.u64()?);
        fields.skip(8 + 32 + 12 + 12)?;
        Ok(Self { size, mode, flags, uid, gid, device, mtime: fields.time()? })
    }

    pub(super) fn is_file(&self) -> bool {
        self.mode & 0o170_000 == 0o100_000
    }

    fn kind(&self, target: Option<Vec<u8>>) -> Result<Kind, ReadError> {
        let (major, minor) = ((self.device >> 20) as u32, (self.device & 0xf_ffff) as u32); // 12 and 20 bits are used
        Ok(match self.mode & 0o170_000 {
            0o010_000 => Kind::Fifo,
            0o020_000 => Kind::CharDevice { major, minor },
            0o040_000 => Kind::Directory,
            0o060_000 => Kind::BlockDevice { major, minor },
            0o100_000 => Kind::File { content: unread(self.size), link: None },
            0o120_000 => Kind::Symlink { target: target.ok_or_else(|| damaged("a symbolic link has no target"))? },
            0o140_000 => Kind::Socket,
            other => return Err(damaged(format!("there is a file of type {other:o}"))),
        })
    }
}

/// A content of which only the length is known; reading it fails, [`Reader::read_file`] does not.
fn unread(length: u64) -> Content {
    Content::Stored { path: std::path::Path::new("").into(), offset: 0, length }
}

/// One entry of a folder.
pub(super) struct Entry {
    pub(super) name: Vec<u8>,
    pub(super) location: Key,
}

/// All entries of a DIR_ITEM or DIR_INDEX, or all attributes of an XATTR_ITEM: kind, name, value, location.
pub(super) fn dir_items<'a>(
    data: &'a [u8],
    each: &mut dyn FnMut(u8, &'a [u8], &'a [u8], Key) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut fields = Fields::new(data);
    while !fields.is_empty() {
        let location = fields.key()?;
        fields.skip(8)?;
        let (value, name) = (fields.u16()?, fields.u16()?);
        let kind = fields.u8()?;
        let name = fields.take(name.into())?;
        each(kind, name, fields.take(value.into())?, location)?;
    }
    Ok(())
}

/// Everything that a subvolume's tree says, by inode.
#[derive(Default)]
struct Gathered {
    inodes: BTreeMap<u64, Inode>,
    targets: BTreeMap<u64, Vec<u8>>,
    xattrs: BTreeMap<u64, BTreeMap<Vec<u8>, Vec<u8>>>,
    folders: BTreeMap<u64, Vec<Entry>>,
    kept: usize,
}

impl Gathered {
    fn keep(&mut self, bytes: usize) -> Result<(), ReadError> {
        self.kept += bytes;
        if self.kept > MOST { Err(damaged("a subvolume has too many files")) } else { Ok(()) }
    }

    fn add(&mut self, key: Key, data: &[u8]) -> Result<(), ReadError> {
        match key.kind {
            kind::INODE_ITEM => {
                self.keep(EACH)?;
                self.inodes.insert(key.object, Inode::parse(data)?);
            }
            kind::XATTR_ITEM => {
                self.keep(data.len())?;
                let xattrs = self.xattrs.entry(key.object).or_default();
                dir_items(data, &mut |_, name, value, _| {
                    xattrs.insert(name.to_vec(), value.to_vec());
                    Ok(())
                })?;
            }
            kind::DIR_INDEX => {
                self.keep(EACH + data.len())?;
                let folder = self.folders.entry(key.object).or_default();
                dir_items(data, &mut |_, name, _, location| {
                    folder.push(Entry { name: volumes::name(name)?, location });
                    Ok(())
                })?;
            }
            kind::EXTENT_DATA if self.is_link(key.object) => {
                self.keep(data.len())?;
                // mkfs.btrfs puts a zero behind it, which the size does not count.
                let size = self.inodes.get(&key.object).map_or(0, |inode| inode.size);
                let mut target = target(data)?;
                target.truncate(usize::try_from(size).unwrap_or(usize::MAX));
                self.targets.insert(key.object, target);
            }
            _ => {}
        }
        Ok(())
    }

    /// The inode item comes before the extent in the order of keys.
    fn is_link(&self, number: u64) -> bool {
        self.inodes.get(&number).is_some_and(|inode| inode.mode & 0o170_000 == 0o120_000)
    }

    fn node(&self, number: u64) -> Result<Node, ReadError> {
        let inode = self.inodes.get(&number).ok_or_else(|| damaged(format!("inode {number} is missing")))?;
        Ok(Node {
            kind: inode.kind(self.targets.get(&number).cloned())?,
            mode: inode.mode & 0o7777,
            uid: inode.uid,
            gid: inode.gid,
            mtime: inode.mtime,
            xattrs: self.xattrs.get(&number).cloned().unwrap_or_default(),
        })
    }
}

/// A symbolic link's target, which is always in its item.
fn target(data: &[u8]) -> Result<Vec<u8>, ReadError> {
    let mut fields = Fields::new(data);
    fields.skip(16)?;
    let compression = fields.u8()?;
    fields.skip(3)?;
    if fields.u8()? != FILE_EXTENT_INLINE || compression != 0 {
        return Err(damaged("a symbolic link's target is not in its item"));
    }
    Ok(fields.rest().to_vec())
}

/// Paths with the inodes that they name.
#[derive(Default)]
struct Named {
    tree: Tree,
    /// Names of each regular file.
    names: BTreeMap<u64, Vec<RelPath>>,
    copied_on_write: Vec<RelPath>,
}

impl<R: ReadAt> Reader<R> {
    /// The files of a subvolume, and the regular files and folders among them that are copied on write.
    ///
    /// A regular file's content has its length but cannot be opened: [`Reader::read_file`] reads it. A subvolume in
    /// it is an empty folder of root's.
    ///
    /// # Errors
    /// There is no such subvolume; the file system cannot be read or is damaged.
    pub fn tree(&self, subvolume: u64) -> Result<(Tree, Vec<RelPath>), ReadError> {
        let (root, _) = self.find_tree(subvolume)?;
        let mut gathered = Gathered::default();
        let all = Key::new(FIRST_FREE, 0, 0)..=Key::new(u64::MAX, u8::MAX, u64::MAX);
        self.walk(&root, all, &mut |key, data| gathered.add(key, data))?;
        let mut named = name_all(gathered)?;
        link(&mut named);
        named.copied_on_write.sort_unstable();
        Ok((named.tree, named.copied_on_write))
    }
}

/// Walks the folders from the root; each can be met only once.
fn name_all(mut gathered: Gathered) -> Result<Named, ReadError> {
    let mut named = Named::default();
    let mut open = vec![(RelPath::ROOT, FIRST_FREE)];
    put(&mut named, &mut gathered, RelPath::ROOT, FIRST_FREE)?;
    while let Some((path, number)) = open.pop() {
        let Some(entries) = gathered.folders.remove(&number) else { continue };
        for Entry { name, location } in entries {
            let at = path.join(&name).map_err(|error| damaged(error.to_string()))?;
            gathered.keep(EACH + at.as_bytes().len())?;
            if at.as_bytes().len() > PATH_MAX {
                return Err(damaged("a path is too long"));
            }
            match location.kind {
                kind::ROOT_ITEM => {
                    named.tree.insert(at, Node::directory(0o755, Time::default()));
                }
                kind::INODE_ITEM if location.object != FIRST_FREE => {
                    if put(&mut named, &mut gathered, at.clone(), location.object)? == entry::DIR {
                        open.push((at, location.object));
                    }
                }
                _ => return Err(damaged(format!("`{at}` leads nowhere"))),
            }
        }
    }
    Ok(named)
}

/// Puts an inode at a path; the kind of its entry.
fn put(named: &mut Named, gathered: &mut Gathered, path: RelPath, number: u64) -> Result<u8, ReadError> {
    let node = gathered.node(number)?;
    // Each name of a file has its attributes anew.
    gathered.keep(node.xattrs.iter().map(|(name, value)| EACH + name.len() + value.len()).sum())?;
    let kind = match node.kind {
        Kind::Directory => entry::DIR,
        Kind::File { .. } => entry::FILE,
        _ => 0,
    };
    if kind == entry::FILE {
        named.names.entry(number).or_default().push(path.clone());
    }
    let flags = gathered.inodes.get(&number).map_or(0, |inode| inode.flags);
    if kind != 0 && flags & inode::NODATACOW == 0 {
        named.copied_on_write.push(path.clone());
    }
    match named.tree.insert(path, node) {
        None => Ok(kind),
        Some(_) => Err(damaged("a folder names something twice")),
    }
}

/// Gives names of one inode one number, in path order.
fn link(named: &mut Named) {
    let mut sets: Vec<&mut Vec<RelPath>> = named.names.values_mut().filter(|names| names.len() > 1).collect();
    sets.iter_mut().for_each(|names| names.sort_unstable());
    sets.sort_unstable();
    for (names, number) in sets.into_iter().zip(0..) {
        for path in names.iter() {
            if let Some(Node { kind: Kind::File { link, .. }, .. }) = named.tree.get_mut(path) {
                *link = Some(LinkSet(number));
            }
        }
    }
}
