//! Partitions, subvolumes, fstab and snapper: the contract with snapper and transactional-update.

use std::collections::BTreeSet;

use crate::{
    plan::uuid_text,
    tree::{Kind, RelPath},
    verify::facts::Facts,
};

/// The first snapshot, from the top level of the file system.
const ROOT_SNAPSHOT: &str = "@/.snapshots/1/snapshot";

pub(super) fn partition_table(facts: &Facts) -> Vec<String> {
    let mut faults = facts.table_faults.clone();
    let mut sorted: Vec<_> = facts.partitions.iter().collect();
    sorted.sort_by_key(|partition| partition.offset);
    for pair in sorted.windows(2) {
        if pair[0].offset + pair[0].length > pair[1].offset {
            faults.push(format!("partition `{}` reaches into `{}`", pair[0].name, pair[1].name));
        }
    }
    if sorted.is_empty() {
        faults.push("there is no partition".into());
    }
    faults
}

pub(super) fn default_subvolume(facts: &Facts) -> Vec<String> {
    let Some(root) = facts.root() else {
        return vec!["the default subvolume is the top level".into()];
    };
    let mut faults = Vec::new();
    if root.path.as_bytes() != ROOT_SNAPSHOT.as_bytes() {
        faults.push(format!("the default subvolume is `{}`", root.path));
    }
    if !root.read_only {
        faults.push(format!("subvolume `{}` is writable", root.path));
    }
    for writable in facts.subvolumes.iter().filter(|subvolume| !subvolume.default && subvolume.read_only) {
        faults.push(format!("subvolume `{}` is read-only, and only the root snapshot may be", writable.path));
    }
    faults
}

pub(super) fn subvolume_uuids(facts: &Facts) -> Vec<String> {
    let mut seen = BTreeSet::new();
    facts
        .subvolumes
        .iter()
        .filter_map(|subvolume| {
            if subvolume.uuid == [0; 16] {
                Some(format!("subvolume `{}` has no UUID", subvolume.path))
            } else if !seen.insert(subvolume.uuid) {
                Some(format!("subvolume `{}` shares its UUID with another", subvolume.path))
            } else {
                None
            }
        })
        .collect()
}

/// A line of fstab: device, mount point, type, options.
struct Mount {
    device: String,
    at: String,
    kind: String,
    options: Vec<String>,
}

impl Mount {
    fn subvolume(&self) -> Option<RelPath> {
        self.options.iter().find_map(|option| option.strip_prefix("subvol=")).and_then(|path| RelPath::new(path).ok())
    }
}

fn fstab(facts: &Facts) -> Option<Vec<Mount>> {
    let text = facts.text("/etc/fstab")?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    Some(
        lines
            .filter_map(|line| {
                let mut fields = line.split_whitespace().map(String::from);
                let (device, at, kind, options) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
                Some(Mount { device, at, kind, options: options.split(',').map(String::from).collect() })
            })
            .collect(),
    )
}

pub(super) fn fstab_root(facts: &Facts) -> Vec<String> {
    let Some(mounts) = fstab(facts) else {
        return vec!["there is no /etc/fstab".into()];
    };
    let Some(root) = mounts.iter().find(|mount| mount.at == "/") else {
        return vec!["/etc/fstab has no line for `/`".into()];
    };
    let mut faults = Vec::new();
    if let Some(subvolume) = root.subvolume() {
        faults.push(format!("the line for `/` names subvolume `{subvolume}`"));
    }
    if !root.options.iter().any(|option| option == "ro" || option == "ro=vfs") {
        faults.push("the line for `/` is not `ro`".into());
    }
    if root.options.iter().any(|option| option == "x-systemd.growfs") {
        faults.push("the line for `/` has `x-systemd.growfs`, which fails on a read-only mount".into());
    }
    let expected = format!("UUID={}", uuid_text(&facts.fsid));
    if root.device != expected {
        faults.push(format!("the line for `/` names `{}`, and the file system is `{expected}`", root.device));
    }
    faults
}

pub(super) fn fstab_subvolumes(facts: &Facts) -> Vec<String> {
    let Some(mounts) = fstab(facts) else {
        return Vec::new(); // `fstab-root` says so already
    };
    let mut faults = Vec::new();
    let mounted: BTreeSet<RelPath> =
        mounts.iter().filter(|mount| mount.kind == "btrfs").filter_map(Mount::subvolume).collect();
    for path in &mounted {
        if !facts.subvolumes.iter().any(|subvolume| subvolume.path == *path) {
            faults.push(format!("/etc/fstab mounts `{path}`, which does not exist"));
        }
    }
    let root = facts.root().map(|root| root.path.clone()).unwrap_or_default();
    for subvolume in &facts.subvolumes {
        let nested = subvolume.path.starts_with(&root); // the snapshot itself, and `etc` in it
        let bare = subvolume.path.as_bytes() == b"@";
        if !nested && !bare && !mounted.contains(&subvolume.path) {
            faults.push(format!("no line of /etc/fstab mounts `{}`", subvolume.path));
        }
    }
    for mount in mounts.iter().filter(|mount| mount.at.starts_with('/') && mount.at != "/") {
        if !is_mount_point(facts, &mount.at) {
            faults.push(format!("mount point `{}` is no folder of the root snapshot", mount.at));
        }
    }
    faults
}

/// Whether there is a folder to mount upon, in the subvolume that has the folder above it.
fn is_mount_point(facts: &Facts, at: &str) -> bool {
    let Ok(path) = RelPath::new(at) else { return false };
    let Some(above) = path.parent() else { return false };
    let Some((subvolume, above)) = facts.locate(&above.to_string()) else { return false };
    let point = above.join(path.file_name()).ok().and_then(|point| subvolume.tree.get(&point));
    point.is_some_and(|node| node.kind == Kind::Directory)
}

pub(super) fn nodatacow(facts: &Facts) -> Vec<String> {
    let Some(var) = facts.subvolume("@/var") else {
        return vec!["there is no subvolume `@/var`".into()];
    };
    match var.copied_on_write.as_slice() {
        [] => Vec::new(),
        [first, rest @ ..] => vec![format!("`/var{first}` and {} more are copied on write", rest.len())],
    }
}

pub(super) fn snapper(facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    match facts.text("/etc/snapper/configs/root") {
        None => faults.push("there is no /etc/snapper/configs/root".into()),
        Some(config) => {
            for setting in ["SUBVOLUME=\"/\"", "FSTYPE=\"btrfs\"", "TIMELINE_CREATE=\"no\""] {
                if !config.lines().any(|line| line.trim() == setting) {
                    faults.push(format!("/etc/snapper/configs/root does not say `{setting}`"));
                }
            }
        }
    }
    let listed = ["/etc/sysconfig/snapper", "/etc/default/snapper"].iter().any(|file| {
        facts.text(file).is_some_and(|text| text.lines().any(|line| line.trim() == "SNAPPER_CONFIGS=\"root\""))
    });
    if !listed {
        faults.push("neither /etc/sysconfig/snapper nor /etc/default/snapper lists the configuration `root`".into());
    }
    let info = facts.subvolume("@/.snapshots").and_then(|snapshots| {
        let path = RelPath::new("1/info.xml").ok()?;
        (snapshots.read)(&path).ok()
    });
    match info.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()) {
        None => faults.push("there is no `@/.snapshots/1/info.xml`".into()),
        Some(text) if !(text.contains("<type>single</type>") && text.contains("<num>1</num>")) => {
            faults.push("`@/.snapshots/1/info.xml` does not describe a single snapshot 1".into());
        }
        Some(_) => {}
    }
    if facts.root().is_none_or(|root| root.tree.at(".snapshots").is_none()) {
        faults.push("the root snapshot has no folder `/.snapshots`".into());
    }
    faults
}
