//! What the first boot finds: a machine without identity, and mount points.

use super::{Change, put_folder, put_link, put_text};
use crate::{
    plan::{Plan, layout},
    tree::Tree,
};

pub(super) fn changes(plan: &Plan, tree: &Tree) -> Vec<Change> {
    // machine-id(5): `uninitialized` makes a boot the first one, an empty file only gives the machine an id.
    let id = if plan.machine.first_boot.machine_id_uninitialized { "uninitialized\n" } else { "" };
    let mut changes = vec![put_text(plan, "/etc/machine-id", 0o444, id)];
    if tree.at("var/lib/dbus").is_some() {
        changes.push(put_link(plan, "/var/lib/dbus/machine-id", "/etc/machine-id"));
    }
    if tree.at("usr/lib/systemd/system/systemd-resolved.service").is_some() {
        changes.push(put_link(plan, "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"));
    }
    let mounts = layout::subvolumes(plan).into_iter().filter_map(|subvolume| subvolume.mount);
    let partitions = plan.layout.partitions.iter().filter_map(|partition| partition.mount.clone());
    changes.extend(mounts.chain(partitions).filter_map(|mount| put_folder(plan, tree, &mount, 0o755)));
    // transactional-update binds it into a transaction without asking.
    changes.extend(put_folder(plan, tree, "/var/lib/ca-certificates", 0o755));
    changes
}
