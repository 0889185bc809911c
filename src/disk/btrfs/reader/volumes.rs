//! Subvolumes: where each lies, by the names of the folders above it.

use std::collections::BTreeMap;

use super::{ReadAt, ReadError, Reader, SubvolumeInfo, blocks::TreeRoot, damaged, fields::Fields};
use crate::{
    disk::btrfs::format::{FIRST_FREE, Key, LAST_FREE, SUBVOL_RDONLY, kind, name_hash, tree},
    tree::RelPath,
};

/// Longest path (PATH_MAX).
pub(super) const PATH_MAX: usize = 4096;
/// Most subvolumes. Ours: snapper keeps some dozens.
const MOST: usize = 100_000;

/// What the root tree says of a subvolume.
struct Found {
    uuid: [u8; 16],
    read_only: bool,
    root: TreeRoot,
    /// Holder, folder in it, name.
    place: Option<(u64, u64, Vec<u8>)>,
}

impl<R: ReadAt> Reader<R> {
    /// All subvolumes by number, the top level left out.
    ///
    /// # Errors
    /// The file system cannot be read or is damaged.
    pub fn subvolumes(&self) -> Result<Vec<SubvolumeInfo>, ReadError> {
        let found = self.found_volumes()?;
        let default = self.default_subvolume()?;
        // One that is being deleted has no place any more.
        let placed = found.iter().filter(|(id, found)| **id != tree::FS && found.place.is_some());
        placed
            .map(|(&id, volume)| {
                let path = self.volume_path(&found, id)?;
                let (uuid, read_only) = (volume.uuid, volume.read_only);
                Ok(SubvolumeInfo { id, path, uuid, read_only, default: id == default })
            })
            .collect()
    }

    fn found_volumes(&self) -> Result<BTreeMap<u64, Found>, ReadError> {
        let mut found: BTreeMap<u64, Found> = BTreeMap::new();
        let range = Key::new(tree::FS, kind::ROOT_ITEM, 0)..=Key::new(LAST_FREE, kind::ROOT_BACKREF, u64::MAX);
        self.walk(&self.root_tree(), range, &mut |key, data| {
            if key.object != tree::FS && !(FIRST_FREE..=LAST_FREE).contains(&key.object) {
                return Ok(());
            }
            match key.kind {
                kind::ROOT_ITEM if found.len() >= MOST => Err(damaged("there are too many subvolumes")),
                kind::ROOT_ITEM => {
                    found.insert(key.object, volume(data)?);
                    Ok(())
                }
                kind::ROOT_BACKREF => {
                    let (folder, name) = root_ref(data)?;
                    if let Some(volume) = found.get_mut(&key.object) {
                        volume.place = Some((key.offset, folder, name));
                    }
                    Ok(())
                }
                _ => Ok(()),
            }
        })?;
        Ok(found)
    }

    /// The path of a subvolume from the top level, from its last name to its first.
    fn volume_path(&self, found: &BTreeMap<u64, Found>, id: u64) -> Result<RelPath, ReadError> {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let mut at = id;
        while at != tree::FS {
            let place = found.get(&at).and_then(|volume| volume.place.as_ref());
            let (holder, folder, name) = place.ok_or_else(|| damaged(format!("subvolume {at} lies nowhere")))?;
            names.push(name.clone());
            let root = found.get(holder).ok_or_else(|| damaged("a subvolume's holder is missing"))?.root;
            self.folder_names(&root, *folder, &mut names)?;
            at = *holder;
        }
        names.reverse();
        RelPath::new(names.join(&b'/')).map_err(|error| damaged(error.to_string()))
    }

    /// Adds the names of a folder and those above it.
    fn folder_names(&self, root: &TreeRoot, folder: u64, names: &mut Vec<Vec<u8>>) -> Result<(), ReadError> {
        let mut at = folder;
        while at != FIRST_FREE {
            let range = Key::new(at, kind::INODE_REF, 0)..=Key::new(at, kind::INODE_REF, u64::MAX);
            let mut above = None;
            self.walk(root, range, &mut |key, data| {
                let mut fields = Fields::new(data);
                fields.skip(8)?;
                let length = fields.u16()?;
                above = Some((key.offset, name(fields.take(length.into())?)?));
                Ok(())
            })?;
            let (parent, name) = above.ok_or_else(|| damaged(format!("folder {at} has no name")))?;
            names.push(name);
            // Bounds a ring of folders and a ring of subvolumes alike.
            if names.iter().map(|name| name.len() + 1).sum::<usize>() > PATH_MAX {
                return Err(damaged("a path is too long"));
            }
            at = parent;
        }
        if names.iter().map(|name| name.len() + 1).sum::<usize>() > PATH_MAX {
            return Err(damaged("a path is too long"));
        }
        Ok(())
    }

    /// The subvolume that is mounted when nobody names one.
    fn default_subvolume(&self) -> Result<u64, ReadError> {
        let key = Key::new(self.head.root_folder, kind::DIR_ITEM, name_hash(b"default"));
        let mut default = tree::FS;
        self.walk(&self.root_tree(), key..=key, &mut |_, data| {
            default = Fields::new(data).key()?.object;
            Ok(())
        })?;
        Ok(default)
    }
}

/// A name that can be one.
pub(super) fn name(bytes: &[u8]) -> Result<Vec<u8>, ReadError> {
    if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') || bytes.contains(&0) {
        return Err(damaged(format!("`{}` is no name", String::from_utf8_lossy(bytes))));
    }
    Ok(bytes.to_vec())
}

fn root_ref(data: &[u8]) -> Result<(u64, Vec<u8>), ReadError> {
    let mut fields = Fields::new(data);
    let folder = fields.u64()?;
    fields.skip(8)?;
    let length = fields.u16()?;
    Ok((folder, name(fields.take(length.into())?)?))
}

fn volume(item: &[u8]) -> Result<Found, ReadError> {
    let root = super::blocks::tree_root(item)?;
    let mut fields = Fields::new(item);
    fields.skip(208)?;
    let read_only = fields.u64()? & SUBVOL_RDONLY != 0;
    fields.skip(239 - 216)?;
    // Items of before Linux 3.6 end here; one that such a kernel changed has another generation.
    let uuid = match fields.u64() {
        Ok(generation) if generation == root.generation => fields.uuid()?,
        _ => [0; 16],
    };
    Ok(Found { uuid, read_only, root, place: None })
}
