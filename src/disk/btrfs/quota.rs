//! Quota groups, with their numbers counted.

use std::collections::BTreeMap;

use super::{
    FileSystem,
    format::{FIRST_FREE, Key, NODE, kind, tree},
    items::{GENERATION, Item, Put},
    node::Placed,
    trees::Owned,
};

/// Version of the quota tree (`BTRFS_QGROUP_STATUS_VERSION`).
const VERSION: u64 = 1;
/// Quota is on, and the numbers are right (`BTRFS_QGROUP_STATUS_FLAG_ON` without `…_INCONSISTENT`).
const FLAG_ON: u64 = 1;
/// The group that snapper puts its snapshots into.
const SNAPSHOTS: u64 = 1 << 48;

/// STATUS, and INFO and LIMIT of every group. Nothing is shared, so that all a subvolume refers to is its own.
pub(super) fn items(fs: &FileSystem, trees: &[Placed], data: &[Owned]) -> Vec<Item> {
    let mut groups: BTreeMap<u64, u64> = BTreeMap::from([(SNAPSHOTS, 0), (tree::FS, 0)]);
    groups.extend((FIRST_FREE..).take(fs.subvolumes.len()).map(|id| (id, 0)));
    let blocks = trees.iter().map(|placed| (placed.owner, placed.shape.count() * NODE));
    let extents = data.iter().map(|owned| (owned.root, owned.extent.disk_length));
    for (owner, bytes) in blocks.chain(extents) {
        if let Some(sum) = groups.get_mut(&owner) {
            *sum += bytes;
        }
    }
    let mut items = vec![Item::new(Key::new(0, kind::QGROUP_STATUS, 0), status())];
    for (group, bytes) in groups {
        items.push(Item::new(Key::new(0, kind::QGROUP_INFO, group), info(bytes)));
        items.push(Item::new(Key::new(0, kind::QGROUP_LIMIT, group), vec![0; 40]));
    }
    super::node::sorted(items)
}

fn status() -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    for field in [VERSION, GENERATION, FLAG_ON, 0, 0] {
        out.put_u64(field); // the last two: progress of a rescan, and a field of simple quotas
    }
    out
}

fn info(bytes: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(40);
    out.put_u64(GENERATION);
    for _ in 0..4 {
        out.put_u64(bytes); // referred and exclusive, each unpacked and packed: the kernel counts both the same
    }
    out
}
