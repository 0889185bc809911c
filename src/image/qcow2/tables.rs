//! What says where each cluster lies: L1 and L2 tables, refcounts, and the allocation of the file.

use std::collections::BTreeMap;

use super::format::{CLUSTER, COPIED, compressed_entry, compressed_extent};

/// Entries of an L2 table, which fills a cluster.
const L2_ENTRIES: u64 = CLUSTER / 8;
/// Refcounts of 16 bits in a refcount block, which fills a cluster.
const BLOCK_ENTRIES: u64 = CLUSTER / 2;
/// Entries of a cluster of the refcount table.
const TABLE_ENTRIES: u64 = CLUSTER / 8;

/// Allocates the file from its start to its end and remembers what lies where.
#[derive(Debug)]
pub(super) struct Tables {
    /// First byte after everything allocated; a multiple of the cluster size but for compressed clusters.
    end: u64,
    /// L2 tables by their number, with entries by place.
    l2: BTreeMap<u64, Vec<u64>>,
    /// References to each host cluster.
    refcounts: Vec<u16>,
}

/// The finished tables, ready to be written.
#[derive(Debug)]
pub(super) struct Finished {
    /// Where they begin: everything from here to the end of the file.
    pub(super) offset: u64,
    /// Their bytes: L2 tables, L1 table, refcount blocks, refcount table.
    pub(super) bytes: Vec<u8>,
    /// Offset of the L1 table.
    pub(super) l1_offset: u64,
    /// Its entries.
    pub(super) l1_size: u32,
    /// Offset of the refcount table.
    pub(super) refcount_table: u64,
    /// Its length in clusters.
    pub(super) refcount_table_clusters: u32,
}

impl Tables {
    /// With the header's cluster in use.
    pub(super) fn new() -> Self {
        Self { end: CLUSTER, l2: BTreeMap::new(), refcounts: vec![1] }
    }

    /// A place for `length` compressed bytes of a guest cluster: right after what was placed last.
    pub(super) fn place_compressed(&mut self, guest: u64, length: u64) -> u64 {
        let offset = self.end;
        self.end += length;
        let entry = compressed_entry(offset, length);
        let (_, most) = compressed_extent(entry, CLUSTER.trailing_zeros());
        for host in offset / CLUSTER..=(offset + most - 1) / CLUSTER {
            self.reference(host);
        }
        self.set(guest, entry);
        offset
    }

    /// A whole host cluster for a guest cluster that does not shrink.
    pub(super) fn place_plain(&mut self, guest: u64) -> u64 {
        let offset = self.whole_clusters(1);
        self.set(guest, offset | COPIED);
        offset
    }

    fn set(&mut self, guest: u64, entry: u64) {
        let table = self.l2.entry(guest / L2_ENTRIES).or_insert_with(|| vec![0; L2_ENTRIES as usize]);
        table[(guest % L2_ENTRIES) as usize] = entry;
    }

    fn reference(&mut self, host: u64) {
        let host = host as usize;
        if host >= self.refcounts.len() {
            self.refcounts.resize(host + 1, 0);
        }
        self.refcounts[host] += 1;
    }

    fn whole_clusters(&mut self, count: u64) -> u64 {
        let offset = self.end.next_multiple_of(CLUSTER);
        self.end = offset + count * CLUSTER;
        (offset / CLUSTER..self.end / CLUSTER).for_each(|host| self.reference(host));
        offset
    }

    /// Places the tables themselves behind the data, for a disk of `size` bytes.
    pub(super) fn finish(mut self, size: u64) -> Finished {
        let offset = self.end.next_multiple_of(CLUSTER);
        let l1_size = size.div_ceil(CLUSTER * L2_ENTRIES);
        let mut l1 = vec![0; l1_size as usize];
        let mut bytes = Vec::new();
        for (number, table) in std::mem::take(&mut self.l2) {
            l1[number as usize] = self.whole_clusters(1) | COPIED;
            bytes.extend(table.into_iter().flat_map(u64::to_be_bytes));
        }
        let l1_offset = self.whole_clusters((l1_size * 8).div_ceil(CLUSTER).max(1));
        bytes.extend(l1.into_iter().flat_map(u64::to_be_bytes));
        bytes.resize((self.end - offset) as usize, 0);

        let (blocks, table_clusters) = refcount_clusters(self.end / CLUSTER);
        let first_block = self.whole_clusters(blocks);
        let refcount_table = self.whole_clusters(table_clusters);
        self.refcounts.resize((blocks * BLOCK_ENTRIES) as usize, 0);
        bytes.extend(self.refcounts.iter().flat_map(|count| count.to_be_bytes()));
        bytes.extend((0..blocks).flat_map(|block| (first_block + block * CLUSTER).to_be_bytes()));
        bytes.resize((self.end - offset) as usize, 0);
        Finished {
            offset,
            bytes,
            l1_offset,
            // A disk of 2^63 bytes has 2^34 entries; `write` refuses what QEMU does, far below.
            l1_size: l1_size as u32,
            refcount_table,
            refcount_table_clusters: table_clusters as u32,
        }
    }
}

/// Clusters of refcount blocks and of the refcount table, when they must count `used` clusters and themselves.
fn refcount_clusters(used: u64) -> (u64, u64) {
    let (mut blocks, mut table) = (0, 0);
    loop {
        let needed = (used + blocks + table).div_ceil(BLOCK_ENTRIES);
        let table_needed = needed.div_ceil(TABLE_ENTRIES);
        if (needed, table_needed) == (blocks, table) {
            return (blocks, table);
        }
        (blocks, table) = (needed, table_needed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refcounts_count_themselves() {
        assert_eq!(refcount_clusters(1), (1, 1));
        assert_eq!(refcount_clusters(BLOCK_ENTRIES - 2), (1, 1));
        assert_eq!(refcount_clusters(BLOCK_ENTRIES - 1), (2, 1));
    }

    #[test]
    fn compressed_clusters_share_host_clusters_and_plain_ones_do_not() {
        let mut tables = Tables::new();
        assert_eq!(tables.place_compressed(0, 60_000), CLUSTER);
        assert_eq!(tables.place_compressed(1, 10_000), CLUSTER + 60_000);
        assert_eq!(tables.place_plain(2), 3 * CLUSTER);
        assert_eq!(tables.refcounts, [1, 2, 1, 1]);
    }
}
