//! Where block groups lie: on the device, and in the addresses that trees use.
//!
//! ```text
//! device   | 1 MiB | system | system | data … | (super block) | data … | metadata | metadata copy | unallocated |
//! address  | 1 MiB | system |          data …                          | metadata |
//! ```
//!
//! No group covers a super block's stripe, so none has a place that must not be used.

use super::format::{NODE, STRIPE, SUPER_OFFSETS, group};

/// Unit of groups.
pub(super) const MIB: u64 = 1 << 20;
/// What is left free at the front of a device, as everywhere.
const FRONT: u64 = MIB;
/// Size of the system group: what mkfs.btrfs gives it.
const SYSTEM: u64 = 8 * MIB;
/// Longest group of data.
const MAX_DATA: u64 = 1 << 30;
/// Longest group of metadata: the kernel's on devices below 50 GiB.
const MAX_METADATA: u64 = 256 * MIB;
/// Room for the first files that a machine writes, before it allocates groups of its own.
const MIN_ROOM: u64 = 8 * MIB;
/// Shortest metadata in all: the kernel keeps some of it back for itself.
const MIN_METADATA: u64 = 32 * MIB;

/// A block group with its chunk. What is used of it lies at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) length: u64,
    pub(super) used: u64,
    /// Offsets on the device: one, or two of equal content.
    pub(super) stripes: Vec<u64>,
}

impl Group {
    /// First address after it.
    pub(super) fn end(&self) -> u64 {
        self.address + self.length
    }
}

/// The group of the chunk tree.
pub(super) fn system(used: u64) -> Group {
    let stripes = vec![FRONT, FRONT + SYSTEM];
    Group { flags: group::SYSTEM | group::DUP, address: FRONT, length: SYSTEM, used, stripes }
}

/// Whether the system group can hold a chunk tree of this size.
pub(super) fn fits_system(used: u64) -> bool {
    used <= SYSTEM
}

/// The first offset from `cursor` at which `length` bytes cover no super block.
fn clear_of_supers(cursor: u64, length: u64) -> u64 {
    SUPER_OFFSETS.iter().fold(cursor, |cursor, &offset| {
        let covers = cursor < offset + STRIPE && cursor + length > offset;
        if covers { offset + MIB } else { cursor }
    })
}

/// Gives out places for data, group after group.
#[derive(Debug)]
pub(super) struct DataSpace {
    groups: Vec<Group>,
}

impl DataSpace {
    pub(super) fn new() -> Self {
        let system = system(0);
        let first = Self::group(system.end(), FRONT + 2 * SYSTEM);
        Self { groups: vec![first] }
    }

    /// A group as long as the way to the next super block allows.
    fn group(address: u64, cursor: u64) -> Group {
        let cursor = clear_of_supers(cursor, MIB);
        let limit = SUPER_OFFSETS.iter().find(|&&offset| offset >= cursor).map_or(u64::MAX, |offset| offset - cursor);
        Group { flags: group::DATA, address, length: limit.min(MAX_DATA), used: 0, stripes: vec![cursor] }
    }

    /// Address of the next `length` bytes; they lie in one group. `length` is below the shortest group's.
    pub(super) fn take(&mut self, length: u64) -> u64 {
        if self.last().length - self.last().used < length {
            let last = self.last();
            let next = Self::group(last.end(), last.stripes[0] + last.length);
            self.groups.push(next);
        }
        let last = self.groups.last_mut().unwrap_or_else(|| unreachable!("there is always a group"));
        let address = last.address + last.used;
        last.used += length;
        address
    }

    /// The offset on the device of an address that was just taken.
    pub(super) fn device_offset(&self, address: u64) -> u64 {
        address - self.last().address + self.last().stripes[0]
    }

    /// Whether what lies at two addresses, the second just taken, is in one group.
    pub(super) fn same_group(&self, before: u64, address: u64) -> bool {
        self.last().address <= before && before <= address
    }

    fn last(&self) -> &Group {
        self.groups.last().unwrap_or_else(|| unreachable!("there is always a group"))
    }

    /// The groups, the last one cut to what is used and some room.
    pub(super) fn finish(mut self) -> Vec<Group> {
        if let Some(last) = self.groups.last_mut() {
            let room = MIN_ROOM.max(last.used / 16);
            last.length = last.length.min((last.used + room).next_multiple_of(MIB));
        }
        self.groups
    }
}

/// The metadata groups after `data` for `used` bytes of tree blocks, at most 60 % of them full.
pub(super) fn metadata(data: &[Group], used: u64) -> Vec<Group> {
    let mut left = (used / 3 * 5 + NODE).max(MIN_METADATA).next_multiple_of(MIB);
    let mut unplaced = used;
    let mut address = metadata_start(data);
    let mut cursor = data.last().map_or(0, |group| group.stripes[0] + group.length);
    let mut groups = Vec::new();
    while left > 0 {
        let length = left.min(MAX_METADATA);
        let first = clear_of_supers(cursor, length);
        let second = clear_of_supers(first + length, length);
        let used = unplaced.min(length);
        let flags = group::METADATA | group::DUP;
        groups.push(Group { flags, address, length, used, stripes: vec![first, second] });
        left -= length;
        unplaced -= used;
        address += length;
        cursor = second + length;
    }
    groups
}

/// Address of the first tree block outside the chunk tree.
pub(super) fn metadata_start(data: &[Group]) -> u64 {
    data.last().map_or(0, Group::end)
}

/// First byte of the device that no group has.
pub(super) fn device_end(groups: &[Group]) -> u64 {
    groups.iter().flat_map(|group| group.stripes.iter().map(|stripe| stripe + group.length)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_group_covers_a_super_block_and_none_overlaps() {
        let mut space = DataSpace::new();
        for _ in 0..40_000 {
            space.take(8 * MIB);
        }
        let data = space.finish();
        let mut groups = vec![system(NODE)];
        groups.extend(metadata(&data, 400 * MIB));
        groups.extend(data);
        let mut runs: Vec<(u64, u64)> = groups
            .iter()
            .flat_map(|group| group.stripes.iter().map(|&stripe| (stripe, stripe + group.length)))
            .chain(SUPER_OFFSETS.map(|offset| (offset, offset + STRIPE)))
            .collect();
        runs.sort_unstable();
        assert!(runs.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{runs:?}");
        let mut addresses: Vec<(u64, u64)> = groups.iter().map(|group| (group.address, group.end())).collect();
        addresses.sort_unstable();
        assert!(addresses.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{addresses:?}");
    }
}
