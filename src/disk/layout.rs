//! The root's files become one tree for each subvolume: what lies below a mount point moves into the subvolume that
//! is mounted there, and an empty folder stays behind.

use super::{
    Contents, Error,
    btrfs::{FileSystem, Subvolume},
    labels,
};
use crate::{
    plan::{
        Plan,
        layout::{self, Mounted},
    },
    profile::PartitionKind,
    tree::{Kind, Node, RelPath, Time, Tree},
    units::Epoch,
};

/// Folders that the kernel or a tmpfs fills on the running system, with their permissions where nobody made them.
const EMPTY: [(&str, u32); 4] = [("dev", 0o755), ("proc", 0o555), ("run", 0o755), ("sys", 0o555)];
/// Another one, if `/tmp` is a tmpfs; a folder for everybody in any case.
const TMP: (&str, u32) = ("tmp", 0o1777);
/// snapper's folder, from the root and from the top level.
const SNAPSHOTS: &str = ".snapshots";
/// Only root and those whom snapper's configuration names may look into snapshots.
const SNAPSHOTS_MODE: u32 = 0o750;

/// The file system of the root partition. `size` is the partition's, or nothing where the content decides.
///
/// # Errors
/// A subvolume is to be mounted where there is no folder.
pub(super) fn file_system(contents: &Contents, plan: &Plan, size: Option<u64>) -> Result<FileSystem, Error> {
    let mounted = layout::subvolumes(plan);
    let mut trees = Cut::new(plan, &mounted).run(&contents.tree)?;
    if let Some(contexts) = &contents.labels {
        labels::label(contexts, &mounted, &mut trees);
    }
    let root = plan.layout.partitions.iter().find(|partition| partition.kind == PartitionKind::Root);
    Ok(FileSystem {
        fsid: layout::fs_uuid(plan),
        chunk_tree_uuid: plan.seed.uuid("chunk-tree"),
        device_uuid: plan.seed.uuid("device"),
        label: root.map(|root| root.label.clone()).unwrap_or_default(),
        size,
        free: plan.layout.free.0,
        compression: plan.layout.compression,
        quota: root.is_some_and(|root| root.quota),
        epoch: plan.epoch,
        default: mounted.iter().position(|mounted| mounted.default).unwrap_or_default(),
        subvolumes: mounted.into_iter().zip(trees).map(|(mounted, tree)| subvolume(mounted, tree)).collect(),
    })
}

fn subvolume(mounted: Mounted, tree: Tree) -> Subvolume {
    let Mounted { path, uuid, read_only, nodatacow, .. } = mounted;
    Subvolume { path, uuid, read_only, nodatacow, tree }
}

/// The cutting of a tree.
struct Cut<'a> {
    plan: &'a Plan,
    mounted: &'a [Mounted],
    /// Mount point of each, below the root.
    at: Vec<Option<RelPath>>,
    trees: Vec<Tree>,
}

impl<'a> Cut<'a> {
    fn new(plan: &'a Plan, mounted: &'a [Mounted]) -> Self {
        let at = mounted.iter().map(|mounted| RelPath::new(mounted.mount.as_ref()?).ok()).collect();
        let trees = mounted.iter().map(|_| Tree::new()).collect();
        Self { plan, mounted, at, trees }
    }

    fn run(mut self, tree: &Tree) -> Result<Vec<Tree>, Error> {
        for (path, node) in tree.iter() {
            if self.is_hidden(path) {
                continue;
            }
            let (number, rest) = self.holder(path, None);
            self.trees[number].insert(rest, node.clone());
        }
        self.roots()?;
        self.mount_points();
        self.empty_folders();
        self.snapshots();
        Ok(self.trees)
    }

    /// Whether the running system has something else at `path`.
    fn is_hidden(&self, path: &RelPath) -> bool {
        let top = path.as_bytes().split(|&byte| byte == b'/').next().unwrap_or_default();
        let below = top.len() < path.as_bytes().len();
        let emptied = EMPTY.iter().any(|(name, _)| name.as_bytes() == top)
            || top == SNAPSHOTS.as_bytes()
            || (self.plan.layout.tmpfs_tmp && top == TMP.0.as_bytes());
        below && emptied
    }

    /// The subvolume that has `path`, and the path in it; `but` is left out.
    fn holder(&self, path: &RelPath, but: Option<usize>) -> (usize, RelPath) {
        let places = self.at.iter().enumerate().filter(|(number, _)| Some(*number) != but);
        let found = places.filter_map(|(number, at)| Some((number, at.as_ref()?, path.strip(at.as_ref()?)?)));
        // The root snapshot has every path.
        let deepest = found.max_by_key(|(_, at, _)| at.as_bytes().len());
        deepest.map_or((0, path.clone()), |(number, _, rest)| (number, rest))
    }

    /// Every subvolume begins with a folder.
    fn roots(&mut self) -> Result<(), Error> {
        for (mounted, tree) in self.mounted.iter().zip(&mut self.trees) {
            match tree.get(&RelPath::ROOT).map(|node| &node.kind) {
                Some(Kind::Directory) => {}
                Some(_) => {
                    let mount = mounted.mount.clone().unwrap_or_default();
                    return Err(Error::Subvolume(format!("`{mount}` is to be a subvolume and is no folder")));
                }
                None => {
                    let mode = if mounted.mount.as_deref() == Some("/root") { 0o700 } else { 0o755 };
                    tree.insert(RelPath::ROOT, folder(mode, self.plan.epoch));
                }
            }
        }
        Ok(())
    }

    /// What is left where a subvolume is mounted. One that is nested in the subvolume that shows it is an entry there
    /// by itself.
    fn mount_points(&mut self) {
        for number in 0..self.mounted.len() {
            let Some(at) = self.at[number].clone().filter(|at| !at.is_root()) else { continue };
            let (holder, rest) = self.holder(&at, Some(number));
            let nested =
                self.mounted[holder].path.join(rest.as_bytes()).is_ok_and(|path| path == self.mounted[number].path);
            if nested {
                self.folders_above(holder, &rest);
                continue;
            }
            if let Some(root) = self.trees[number].get(&RelPath::ROOT).cloned() {
                self.folders_above(holder, &rest);
                self.trees[holder].insert(rest, root);
            }
        }
        let mounts: Vec<&str> =
            self.plan.layout.partitions.iter().filter_map(|partition| partition.mount.as_deref()).collect();
        for at in mounts.into_iter().filter_map(|mount| RelPath::new(mount).ok()) {
            self.ensure(&at, 0o755);
        }
    }

    fn empty_folders(&mut self) {
        for (name, mode) in EMPTY.into_iter().chain([TMP]) {
            if let Ok(path) = RelPath::new(name) {
                self.ensure(&path, mode);
            }
        }
    }

    /// A folder at a path of the running system, if there is nothing.
    fn ensure(&mut self, path: &RelPath, mode: u32) {
        let (holder, rest) = self.holder(path, None);
        if self.trees[holder].get(&rest).is_none() {
            self.folders_above(holder, &rest);
            self.trees[holder].insert(rest, folder(mode, self.plan.epoch));
        }
    }

    fn folders_above(&mut self, number: usize, path: &RelPath) {
        let mut above = path.parent();
        while let Some(at) = above {
            above = at.parent();
            if self.trees[number].get(&at).is_none() {
                self.trees[number].insert(at, folder(0o755, self.plan.epoch));
            }
        }
    }

    /// snapper's folder and what it says of the first snapshot.
    fn snapshots(&mut self) {
        let epoch = self.plan.epoch;
        let Ok(at) = RelPath::new(SNAPSHOTS) else { return };
        let (number, _) = self.holder(&at, None);
        let (holder, rest) = self.holder(&at, Some(number));
        self.trees[holder].insert(rest, folder(SNAPSHOTS_MODE, epoch));
        let info = Node::file(info(epoch).as_str().into(), 0o600, time(epoch));
        let nodes = [("", folder(SNAPSHOTS_MODE, epoch)), ("1", folder(0o755, epoch)), ("1/info.xml", info)];
        for (path, node) in nodes {
            self.trees[number].insert(RelPath::new(path).unwrap_or_default(), node);
        }
    }
}

fn time(epoch: Epoch) -> Time {
    Time { seconds: epoch.0, nanos: 0 }
}

fn folder(mode: u32, epoch: Epoch) -> Node {
    Node::directory(mode, time(epoch))
}

/// snapper's record of a snapshot (`info.xml`, snapper 0.8 to 0.13), its date in UTC.
fn info(epoch: Epoch) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<snapshot>\n  <type>single</type>\n  <num>1</num>\n  <date>{}</date>\n  \
         <description>first root filesystem</description>\n</snapshot>\n",
        epoch.timestamp()
    )
}
