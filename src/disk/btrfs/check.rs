//! Whether a file system can be written: every fault found, so that the writer has none to meet.

use std::collections::{BTreeMap, HashMap};

use super::{
    FileSystem, Subvolume,
    format::{LABEL_MAX, LINK_MAX, NAME_MAX, SECTOR, name_hash},
    node::MAX_ITEM,
};
use crate::tree::{Kind, LinkSet, Node, RelPath};

/// Longest target of a symbolic link: what the kernel reads back.
const TARGET_MAX: usize = 4095;
/// Bytes of a name's entry beside the name.
const ENTRY: usize = 30;
/// Levels that the kernel's zstd has.
const LEVELS: std::ops::RangeInclusive<i32> = 1..=15;

/// All faults of `fs`, in sentences.
pub(super) fn faults(fs: &FileSystem) -> Vec<String> {
    let mut faults = Vec::new();
    if fs.label.len() > LABEL_MAX || fs.label.contains(['\0', '\n']) {
        faults.push(format!("label `{}` is too long or has a line break", fs.label));
    }
    if fs.size.is_some_and(|size| size % SECTOR != 0) {
        faults.push(format!("the size is not a multiple of {SECTOR}"));
    }
    if fs.compression.is_some_and(|level| !LEVELS.contains(&level)) {
        faults.push("the compression level is not between 1 and 15".into());
    }
    if fs.default >= fs.subvolumes.len() {
        faults.push("the default subvolume is none of the subvolumes".into());
    }
    let mut seen = BTreeMap::new();
    for (number, subvolume) in fs.subvolumes.iter().enumerate() {
        if subvolume.path.is_root() || seen.insert(&subvolume.path, number).is_some() {
            faults.push(format!("subvolume `{}` is there already", subvolume.path));
        }
        if fs.subvolumes[..number].iter().any(|earlier| earlier.path.starts_with(&subvolume.path)) {
            faults.push(format!("subvolume `{}` comes after what is in it", subvolume.path));
        }
        if subvolume.uuid == [0; 16] || fs.subvolumes[..number].iter().any(|other| other.uuid == subvolume.uuid) {
            faults.push(format!("subvolume `{}` has no UUID of its own", subvolume.path));
        }
        mount_points(fs, subvolume, &mut faults);
        files(subvolume, &mut faults);
    }
    faults
}

/// What a subvolume's tree has where others are, or on the way there.
fn mount_points(fs: &FileSystem, subvolume: &Subvolume, faults: &mut Vec<String>) {
    for nested in &fs.subvolumes {
        let Some(path) = nested.path.strip(&subvolume.path).filter(|path| !path.is_root()) else { continue };
        let mut at = Some(path.clone());
        while let Some(folder) = at {
            if subvolume.tree.get(&folder).is_some_and(|node| node.kind != Kind::Directory) {
                faults.push(format!("`{folder}` of subvolume `{}` is no folder", subvolume.path));
            }
            at = folder.parent();
        }
        if subvolume.tree.below(&path).next().is_some() {
            faults.push(format!("`{path}` of subvolume `{}` is a subvolume, and not empty", subvolume.path));
        }
        if path.as_bytes().split(|&byte| byte == b'/').any(|name| name.len() > NAME_MAX) {
            faults.push(format!("the name of subvolume `{}` is too long", nested.path));
        }
    }
}

fn files(subvolume: &Subvolume, faults: &mut Vec<String>) {
    let mut say = |path: &RelPath, fault: &str| faults.push(format!("`{path}` of `{}` {fault}", subvolume.path));
    if subvolume.tree.get(&RelPath::ROOT).is_none_or(|root| root.kind != Kind::Directory) {
        say(&RelPath::ROOT, "is no folder");
    }
    let mut links: HashMap<LinkSet, usize> = HashMap::new();
    let mut names: HashMap<(RelPath, u64), usize> = HashMap::new();
    for (path, node) in subvolume.tree.iter() {
        for fault in node_faults(node) {
            say(path, fault);
        }
        let name = path.file_name();
        if name.len() > NAME_MAX {
            say(path, "has too long a name");
        }
        let Some(parent) = path.parent() else { continue };
        if subvolume.tree.get(&parent).is_none_or(|parent| parent.kind != Kind::Directory) {
            say(path, "lies in no folder");
        }
        if let Kind::File { link: Some(link), .. } = node.kind {
            let count = links.entry(link).or_default();
            *count += 1;
            if *count == LINK_MAX + 1 {
                say(path, "has too many names");
            }
        }
        let size = names.entry((parent, name_hash(name))).or_default();
        *size += ENTRY + name.len();
        if *size > MAX_ITEM {
            say(path, "has a name whose hash too many others have");
        }
    }
}

fn node_faults(node: &Node) -> Vec<&'static str> {
    let mut faults = Vec::new();
    if node.mode > 0o7777 {
        faults.push("has a mode with more than permissions");
    }
    if node.mtime.nanos > 999_999_999 {
        faults.push("has a time with more than a second's nanoseconds");
    }
    match &node.kind {
        Kind::Symlink { target } if target.is_empty() || target.len() > TARGET_MAX || target.contains(&0) => {
            faults.push("has a target that is empty, too long or not text");
        }
        Kind::CharDevice { major, minor } | Kind::BlockDevice { major, minor }
            if *major >= 1 << 12 || *minor >= 1 << 20 =>
        {
            faults.push("has a device number that Linux does not have");
        }
        _ => {}
    }
    let mut hashes: HashMap<u64, usize> = HashMap::new();
    for (name, value) in &node.xattrs {
        if name.is_empty() || name.len() > NAME_MAX || name.contains(&0) {
            faults.push("has an attribute with no name or too long a one");
        }
        let size = hashes.entry(name_hash(name)).or_default();
        *size += ENTRY + name.len() + value.len();
        if *size > MAX_ITEM {
            faults.push("has an attribute that is too long");
        }
    }
    faults
}
