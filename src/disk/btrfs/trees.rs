//! The trees beside the files: chunks, devices, extents, free space, checksums, UUIDs, quota and the roots of all.

use super::{
    FileSystem,
    data::{FileExtent, Sums},
    format::{
        DEV_ITEMS, DEVICE_ID, EXTENT_CSUM, FIRST_CHUNK_TREE, FIRST_FREE, Key, ROOT_TREE_DIR, SECTOR, entry, kind,
        name_hash, tree,
    },
    items::{self, Inode, Item, Root},
    node::Placed,
    space::{self, Group},
    subvolume::{self, Volume},
};
use crate::tree::Time;

/// Most checksums of one item: such an item and one like it fit a leaf.
const MAX_SUMS: usize = 2000;

/// CHUNK_ITEMs and the device.
pub(super) fn chunks(fs: &FileSystem, groups: &[Group], size: u64) -> Vec<Item> {
    let device = Key::new(DEV_ITEMS, kind::DEV_ITEM, DEVICE_ID);
    let mut items = vec![Item::new(device, items::dev_item(size, allocated(groups), &fs.device_uuid, &fs.fsid))];
    items.extend(groups.iter().map(|group| Item::new(chunk_key(group), chunk(fs, group))));
    super::node::sorted(items)
}

/// The key of a group's chunk.
pub(super) fn chunk_key(group: &Group) -> Key {
    Key::new(FIRST_CHUNK_TREE, kind::CHUNK_ITEM, group.address)
}

/// A group's chunk.
pub(super) fn chunk(fs: &FileSystem, group: &Group) -> Vec<u8> {
    items::chunk(group.length, group.flags, &group.stripes, &fs.device_uuid)
}

/// Bytes of the device that groups have.
pub(super) fn allocated(groups: &[Group]) -> u64 {
    groups.iter().map(|group| group.length * group.stripes.len() as u64).sum()
}

/// DEV_EXTENTs.
pub(super) fn device(fs: &FileSystem, groups: &[Group]) -> Vec<Item> {
    let extent = |group: &Group, stripe: u64| {
        let data = items::dev_extent(group.address, group.length, &fs.chunk_tree_uuid);
        Item::new(Key::new(DEVICE_ID, kind::DEV_EXTENT, stripe), data)
    };
    let all = groups.iter().flat_map(|group| group.stripes.iter().map(move |&stripe| extent(group, stripe)));
    super::node::sorted(all.collect())
}

/// A data extent and the file that has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owned {
    pub(super) root: u64,
    pub(super) inode: u64,
    pub(super) extent: FileExtent,
}

/// Everything that is allocated: groups, data, tree blocks.
pub(super) fn extents(groups: &[Group], data: &[Owned], trees: &[Placed]) -> Vec<Item> {
    let groups = groups.iter().map(|group| {
        let key = Key::new(group.address, kind::BLOCK_GROUP_ITEM, group.length);
        Item::new(key, items::block_group(group.used, group.flags))
    });
    let data = data.iter().map(|owned| {
        let key = Key::new(owned.extent.address, kind::EXTENT_ITEM, owned.extent.disk_length);
        Item::new(key, items::data_item(owned.root, owned.inode, owned.extent.offset))
    });
    let blocks = trees.iter().flat_map(|placed| {
        placed.blocks().map(|(address, level)| {
            Item::new(Key::new(address, kind::METADATA_ITEM, level.into()), items::metadata_item(placed.owner))
        })
    });
    super::node::sorted(groups.chain(data).chain(blocks).collect())
}

/// What is left of each group: one run, since what is used lies at the start.
pub(super) fn free_space(groups: &[Group]) -> Vec<Item> {
    let mut items = Vec::new();
    for group in groups {
        let free = group.length - group.used;
        let info = Key::new(group.address, kind::FREE_SPACE_INFO, group.length);
        items.push(Item::new(info, items::free_space_info(u32::from(free > 0))));
        if free > 0 {
            let run = Key::new(group.address + group.used, kind::FREE_SPACE_EXTENT, free);
            items.push(Item::new(run, Vec::new()));
        }
    }
    super::node::sorted(items)
}

/// EXTENT_CSUMs.
pub(super) fn checksums(runs: &[Sums]) -> Vec<Item> {
    let mut items = Vec::new();
    for run in runs {
        let mut address = run.address;
        for sums in run.sums.chunks(MAX_SUMS) {
            let data = sums.iter().flat_map(|sum| sum.to_le_bytes()).collect();
            items.push(Item::new(Key::new(EXTENT_CSUM, kind::EXTENT_CSUM, address), data));
            address += sums.len() as u64 * SECTOR;
        }
    }
    items
}

/// Subvolumes by UUID.
pub(super) fn uuids(fs: &FileSystem) -> Vec<Item> {
    let halves = |uuid: &[u8; 16]| {
        let number = u128::from_le_bytes(*uuid);
        (number as u64, (number >> 64) as u64) // the two halves
    };
    let item = |number: usize| {
        let (low, high) = halves(&fs.subvolumes[number].uuid);
        Item::new(Key::new(low, kind::UUID_SUBVOL, high), subvolume::id(number).to_le_bytes().to_vec())
    };
    super::node::sorted((0..fs.subvolumes.len()).map(item).collect())
}

/// The tree that relocation works in: an empty folder.
pub(super) fn relocation(time: Time) -> Vec<Item> {
    vec![
        Item::new(Key::new(FIRST_FREE, kind::INODE_ITEM, 0), Inode::folder(time).encode()),
        Item::new(Key::new(FIRST_FREE, kind::INODE_REF, FIRST_FREE), items::inode_ref(0, b"..")),
    ]
}

/// The root tree: where every other tree is, which subvolume lies in which, and which one is mounted by default.
pub(super) fn roots(fs: &FileSystem, trees: &[Placed], volumes: &[Volume<'_>]) -> Vec<Item> {
    let time = Time { seconds: fs.epoch.0, nanos: 0 };
    let mut items = default_subvolume(fs, time);
    for placed in trees.iter().filter(|placed| ![tree::ROOT, tree::CHUNK].contains(&placed.owner)) {
        let files = volumes.iter().find(|volume| volume.id == placed.owner).map(|volume| volume.files);
        let files = files.or((placed.owner == tree::DATA_RELOC).then(|| volumes[0].files));
        let root = Root { address: placed.root(), level: placed.shape.level(), nodes: placed.shape.count(), files };
        items.push(Item::new(Key::new(placed.owner, kind::ROOT_ITEM, 0), root.encode()));
    }
    for volume in volumes {
        for nested in &volume.nested {
            let data = items::root_ref(nested.folder, nested.index, &nested.name);
            items.push(Item::new(Key::new(volume.id, kind::ROOT_REF, nested.id), data.clone()));
            items.push(Item::new(Key::new(nested.id, kind::ROOT_BACKREF, volume.id), data));
        }
    }
    super::node::sorted(items)
}

fn default_subvolume(fs: &FileSystem, time: Time) -> Vec<Item> {
    let location = Key::new(subvolume::id(fs.default), kind::ROOT_ITEM, u64::MAX);
    let name = b"default";
    let entry = items::dir_item(location, name, entry::DIR);
    vec![
        Item::new(Key::new(ROOT_TREE_DIR, kind::INODE_ITEM, 0), Inode::folder(time).encode()),
        Item::new(Key::new(ROOT_TREE_DIR, kind::INODE_REF, ROOT_TREE_DIR), items::inode_ref(0, b"..")),
        Item::new(Key::new(ROOT_TREE_DIR, kind::DIR_ITEM, name_hash(name)), entry),
    ]
}

/// The groups in the order of addresses.
pub(super) fn groups(data: &[Group], chunk_bytes: u64, metadata_bytes: u64) -> Vec<Group> {
    let mut groups = vec![space::system(chunk_bytes)];
    groups.extend_from_slice(data);
    groups.extend(space::metadata(data, metadata_bytes));
    groups
}
