//! All together: data is placed first, then the trees are laid side by side behind it, and at last the device ends.

use std::{io, path::Path, sync::Arc};

use super::{
    FileSystem, check,
    data::{self, Data, Job},
    format::{NODE, SUPER_OFFSETS, SUPER_SIZE, tree},
    items::Item,
    node::{self, MAX_ITEM, Placed, Shape, Stamp},
    quota,
    space::{self, Group},
    subvolume::{self, Volume},
    superblock::Super,
    trees::{self, Owned},
};
use crate::{
    disk::{Disk, Extent},
    report::{Exit, Explain, Report},
    tree::{Content, Time},
};

/// How often the trees are laid out again until none changes another's size; three times do in practice.
const ROUNDS: usize = 20;

/// Why a file system cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The input breaks a rule of the format.
    #[error("the files cannot be put into btrfs: {}", .0.join("; "))]
    Unsound(Vec<String>),
    /// The size that was asked for does not hold the files.
    #[error("the files need {needed} bytes, and the file system is to have {size}")]
    TooSmall {
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that were asked for.
        size: u64,
    },
    /// A content cannot be read, or the work folder not written.
    #[error("cannot gather the files' contents")]
    Contents(#[from] io::Error),
    /// More block groups than a super block can start.
    #[error("the file system is too large for its chunk tree")]
    TooLarge,
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Contents(_) => Exit::Host,
            _ => Exit::Build,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::TooSmall { needed, .. } => vec![format!("make it {} MiB or more", needed.div_ceil(1 << 20))],
            Self::Contents(error) if error.kind() == io::ErrorKind::StorageFull => {
                vec!["make room for the work folder".into()]
            }
            _ => Vec::new(),
        }
    }
}

/// Lays out `fs`; contents of files go, compressed where that is smaller by a sector, into a spool file in `work`,
/// which must live as long as the result.
///
/// # Errors
/// The input is unsound or too large for the size that it asks for; a content cannot be read; `work` not written.
pub fn lay_out(fs: &FileSystem, work: &Path, report: &Report) -> Result<Disk, Error> {
    let faults = check::faults(fs);
    if !faults.is_empty() {
        return Err(Error::Unsound(faults));
    }
    let volumes = subvolume::number(fs);
    let numbers: Vec<Vec<u64>> =
        volumes.iter().map(|volume| volume.jobs().map(|(number, _)| number).collect()).collect();
    let jobs: Vec<Job<'_>> = volumes.iter().flat_map(|volume| volume.jobs().map(|(_, job)| job)).collect();
    let progress = |done, total| report.progress(done, total, "contents");
    let data = data::place(&jobs, fs.compression, work, &progress)?;
    let owned = owned(&volumes, &numbers, &data);
    let mut trees = Trees::new(fs, volumes, &numbers, data, owned)?;
    trees.settle()?;
    trees.finish()
}

/// Every data extent with the file that has it, ascending by address.
fn owned(volumes: &[Volume<'_>], numbers: &[Vec<u64>], data: &Data) -> Vec<Owned> {
    let inodes =
        volumes.iter().zip(numbers).flat_map(|(volume, numbers)| numbers.iter().map(|&inode| (volume.id, inode)));
    inodes
        .zip(&data.files)
        .flat_map(|((root, inode), extents)| extents.iter().map(move |&extent| Owned { root, inode, extent }))
        .filter(|owned| !owned.extent.is_hole())
        .collect()
}

/// All trees on the way to their places.
struct Trees<'a> {
    fs: &'a FileSystem,
    volumes: Vec<Volume<'a>>,
    owned: Vec<Owned>,
    data_groups: Vec<Group>,
    /// What is finished of the device: data.
    disk: Vec<Extent>,
    /// Trees whose items do not depend on places: those of files, checksums, UUIDs.
    fixed: Vec<(u64, Vec<Item>)>,
    /// All of them, chunks first; the next are the fixed ones.
    placed: Vec<Placed>,
    groups: Vec<Group>,
    size: u64,
}

impl<'a> Trees<'a> {
    fn new(
        fs: &'a FileSystem,
        volumes: Vec<Volume<'a>>,
        numbers: &[Vec<u64>],
        data: Data,
        owned: Vec<Owned>,
    ) -> Result<Self, Error> {
        let time = Time { seconds: fs.epoch.0, nanos: 0 };
        let mut fixed = Vec::new();
        let mut files = data.files.as_slice();
        for (volume, numbers) in volumes.iter().zip(numbers) {
            let (own, rest) = files.split_at(numbers.len());
            files = rest;
            fixed.push((volume.id, sound(volume.items(time, own)?)?));
        }
        fixed.push((tree::CSUM, trees::checksums(&data.sums)));
        fixed.push((tree::UUID, trees::uuids(fs)));
        fixed.push((tree::DATA_RELOC, trees::relocation(time)));
        let mut trees = Self {
            fs,
            volumes,
            owned,
            data_groups: data.space.finish(),
            disk: data.disk,
            fixed,
            placed: Vec::new(),
            groups: Vec::new(),
            size: 0,
        };
        let place = |(owner, items): &(u64, Vec<Item>)| Placed { owner: *owner, first: 0, shape: shape(items) };
        let fixed: Vec<Placed> = trees.fixed.iter().map(place).collect();
        let empty = |owner| Placed { owner, first: 0, shape: shape(&[]) };
        trees.placed = std::iter::once(empty(tree::CHUNK)).chain(fixed).collect();
        trees.placed.extend(trees.moving().into_iter().map(empty));
        Ok(trees)
    }

    /// Trees whose items depend on places, in their order.
    fn moving(&self) -> Vec<u64> {
        let quota = self.fs.quota.then_some(tree::QUOTA);
        [tree::ROOT, tree::DEV, tree::FREE_SPACE, tree::EXTENT].into_iter().chain(quota).collect()
    }

    /// The items of a tree that depends on places, as these are now.
    fn items(&self, owner: u64) -> Vec<Item> {
        match owner {
            tree::CHUNK => trees::chunks(self.fs, &self.groups, self.size),
            tree::ROOT => trees::roots(self.fs, &self.placed, &self.volumes),
            tree::DEV => trees::device(self.fs, &self.groups),
            tree::FREE_SPACE => trees::free_space(&self.groups),
            tree::EXTENT => trees::extents(&self.groups, &self.owned, &self.placed),
            _ => quota::items(self.fs, &self.placed, &self.owned),
        }
    }

    /// Lays the trees side by side and makes groups and device as long as that needs, until nothing moves.
    fn settle(&mut self) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            self.lay_side_by_side()?;
            let owners: Vec<u64> = std::iter::once(tree::CHUNK).chain(self.moving()).collect();
            let shapes: Vec<(u64, Shape)> = owners.iter().map(|&owner| (owner, shape(&self.items(owner)))).collect();
            let mut moved = false;
            for (owner, shape) in shapes {
                for placed in self.placed.iter_mut().filter(|placed| placed.owner == owner && placed.shape != shape) {
                    placed.shape = shape.clone();
                    moved = true;
                }
            }
            if !moved {
                return Ok(());
            }
        }
        Err(Error::TooLarge)
    }

    fn lay_side_by_side(&mut self) -> Result<(), Error> {
        let start = space::metadata_start(&self.data_groups);
        let mut next = start;
        for placed in self.placed.iter_mut().skip(1) {
            placed.first = next;
            next = placed.end();
        }
        let chunk_bytes = self.placed[0].shape.count() * NODE;
        if !space::fits_system(chunk_bytes) {
            return Err(Error::TooLarge);
        }
        self.groups = trees::groups(&self.data_groups, chunk_bytes, next - start);
        self.placed[0].first = self.groups[0].address;
        let needed = space::device_end(&self.groups);
        self.size = self.fs.size.unwrap_or((needed + self.fs.free).next_multiple_of(space::MIB));
        if self.size < needed {
            return Err(Error::TooSmall { needed, size: self.size });
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Disk, Error> {
        let mut extents = std::mem::take(&mut self.disk);
        let stamp = Stamp { fsid: self.fs.fsid, chunk_tree_uuid: self.fs.chunk_tree_uuid };
        let mut fixed = std::mem::take(&mut self.fixed).into_iter();
        for (number, placed) in self.placed.iter().enumerate() {
            let items = match number {
                1.. => fixed.next().map_or_else(|| self.items(placed.owner), |(_, items)| items),
                _ => self.items(placed.owner),
            };
            for block in node::write(&items, placed, &stamp) {
                self.add_block(&mut extents, block);
            }
        }
        let root = self.placed.iter().find(|placed| placed.owner == tree::ROOT).unwrap_or(&self.placed[0]);
        let head = Super { fs: self.fs, size: self.size, root, chunk_root: &self.placed[0], groups: &self.groups };
        for offset in SUPER_OFFSETS.into_iter().filter(|offset| offset + SUPER_SIZE as u64 <= self.size) {
            extents.push(Extent { offset, content: Content::Held(head.encode(offset).into()) });
        }
        extents.sort_by_key(|extent| extent.offset);
        Ok(Disk { size: self.size, extents, gaps: None })
    }

    /// Puts a block at each of its group's stripes.
    fn add_block(&self, extents: &mut Vec<Extent>, block: node::Block) {
        let number = self.groups.partition_point(|group| group.end() <= block.address);
        for stripe in &self.groups[number].stripes {
            let offset = block.address - self.groups[number].address + stripe;
            extents.push(Extent { offset, content: Content::Held(Arc::clone(&block.bytes)) });
        }
    }
}

/// Items that fit a leaf. Only names of one file in many folders, made to share a hash, get past `check`.
fn sound(items: Vec<Item>) -> Result<Vec<Item>, Error> {
    match items.iter().find(|item| item.data.len() > MAX_ITEM) {
        None => Ok(items),
        Some(item) => Err(Error::Unsound(vec![format!("inode {} has too many names of one hash", item.key.object)])),
    }
}

fn shape(items: &[Item]) -> Shape {
    Shape::of(items.iter().map(|item| item.data.len()))
}
