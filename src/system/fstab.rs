//! What is mounted where (fstab(5)).
//!
//! The line of `/` names no subvolume, so that the default one is mounted: an update or a rollback changes that and
//! nothing else. File systems grow through `/var`, since the root is read-only (`ENGINEERING` I.7).

use super::{Change, path_of, put_folder, put_text};
use crate::{
    plan::{Plan, layout, uuid_text},
    profile::{EtcMode, PartitionKind},
    tree::Tree,
};

/// Mount points that the initrd already mounts: what is there is needed before the root's own systemd starts.
const EARLY: [&str; 2] = ["/var", "/root"];
/// Of an overlay on `/etc`: what the first snapshot's system changes, and overlayfs's own folder (transactional-update
/// 2.10 to 4: each snapshot has an upper layer of its own, by its number).
const LAYERS: [&str; 2] = ["/var/lib/overlay/1/etc", "/var/lib/overlay/work-etc"];

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    let layers = LAYERS.into_iter().filter(|_| plan.layout.etc == EtcMode::Overlay);
    let folders = layers.filter_map(|path| put_folder(plan, tree, path, 0o755));
    folders.chain([put_text(plan, "/etc/fstab", 0o644, &text(plan))]).collect()
}

/// The initrd mounts it, whose root is in /sysroot; the names are the same afterwards (bsc#1121276).
fn overlay() -> String {
    let [upper, work] = LAYERS;
    format!(
        "overlay /etc overlay lowerdir=/sysroot/etc,upperdir=/sysroot{upper},workdir=/sysroot{work},\
         x-systemd.requires-mounts-for=/var,x-systemd.requires-mounts-for=/sysroot/var,x-initrd.mount 0 0"
    )
}

fn text(plan: &Plan) -> String {
    let uuid = uuid_text(&layout::fs_uuid(plan));
    let options = plan.layout.partitions.iter().find(|it| it.kind == PartitionKind::Root);
    let options: String = options.into_iter().flat_map(|it| &it.options).map(|option| format!(",{option}")).collect();
    let mut lines = vec![format!("UUID={uuid} / btrfs {}{options} 0 0", path_of(plan, "root-options", "ro"))];
    for subvolume in layout::subvolumes(plan) {
        let Some(mount) = subvolume.mount.filter(|mount| mount != "/") else { continue };
        if mount == "/etc" && plan.layout.etc == EtcMode::Subvolume {
            lines.push("/etc /etc none bind,rw,x-initrd.mount 0 0".into());
            continue;
        }
        let mut line = format!("UUID={uuid} {mount} btrfs subvol={}{options}", subvolume.path);
        if EARLY.contains(&mount.as_str()) {
            line += ",x-initrd.mount";
        }
        if mount == "/var" && plan.machine.first_boot.grow {
            line += ",x-systemd.growfs";
        }
        lines.push(line + " 0 0");
    }
    lines.extend((plan.layout.etc == EtcMode::Overlay).then(overlay));
    for partition in &plan.layout.partitions {
        let fat = matches!(partition.kind, PartitionKind::Esp | PartitionKind::Fat);
        let (true, Some(mount)) = (fat, &partition.mount) else { continue };
        let serial = layout::serial_text(layout::fat_serial(plan, &partition.name));
        let options = partition.options.join(",");
        let comma = if options.is_empty() { "" } else { "," };
        lines.push(format!("UUID={serial} {mount} vfat {options}{comma}nofail 0 0"));
    }
    if plan.layout.tmpfs_tmp {
        lines.push("tmpfs /tmp tmpfs mode=1777,nosuid,nodev 0 0".into());
    }
    lines.join("\n") + "\n"
}
