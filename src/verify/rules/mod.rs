//! The rules, in the order in which a machine meets what they guard.

mod boot;
mod identity;
mod layout;
mod packages;
#[cfg(test)]
mod tests;

use super::Rule;

/// All promises that are checked.
pub const RULES: &[Rule] = &[
    Rule {
        name: "partition-table",
        promise: "both copies of the partition table are sound and no partition overlaps another",
        breaks: "the firmware or the kernel refuses the disk, or growing it loses data",
        faults: layout::partition_table,
    },
    Rule {
        name: "boot-files",
        promise: "every kernel and initrd that the boot menu names exists, and the ESP has the program that UEFI starts",
        breaks: "the machine stops in the firmware or in GRUB",
        faults: boot::boot_files,
    },
    Rule {
        name: "bios-code",
        promise: "where there is a BIOS boot partition, the first sector starts what is in it",
        breaks: "BIOS finds nothing to start, or GRUB stops before its menu",
        faults: boot::bios_code,
    },
    Rule {
        name: "default-subvolume",
        promise: "the default subvolume is `@/.snapshots/1/snapshot` and read-only",
        breaks: "updates are never booted, or the running system can be changed under its user's feet",
        faults: layout::default_subvolume,
    },
    Rule {
        name: "subvolume-uuids",
        promise: "every subvolume has a UUID of its own",
        breaks: "snapper's plugins and `btrfs send` look parents up by UUID",
        faults: layout::subvolume_uuids,
    },
    Rule {
        name: "fstab-root",
        promise: "the root line of fstab is `ro` and names no subvolume",
        breaks: "after an update or a rollback the old snapshot is mounted for ever",
        faults: layout::fstab_root,
    },
    Rule {
        name: "fstab-subvolumes",
        promise: "fstab mounts exactly the subvolumes that exist",
        breaks: "a mount unit fails at boot, or a transaction does not see a subvolume",
        faults: layout::fstab_subvolumes,
    },
    Rule {
        name: "nodatacow",
        promise: "nothing below `/var` is copied on write",
        breaks: "databases and container images fragment, and a checksum that nobody keeps is expected",
        faults: layout::nodatacow,
    },
    Rule {
        name: "snapper",
        promise: "snapper knows the root configuration and snapshot 1",
        breaks: "no snapshot can be made: no update, no rollback",
        faults: layout::snapper,
    },
    Rule {
        name: "rpmdb",
        promise: "the package database lies in the snapshot and opens on a read-only file system",
        breaks: "rpm and zypper see an empty system, or a rollback leaves the packages' list behind",
        faults: packages::rpmdb,
    },
    Rule {
        name: "machine-identity",
        promise: "nothing in the image identifies a machine",
        breaks: "two machines share their identity, host keys or random numbers",
        faults: identity::machine_identity,
    },
    Rule {
        name: "private-keys",
        promise: "no file is a private key",
        breaks: "everybody who has the image has the key",
        faults: identity::private_keys,
    },
    Rule {
        name: "passwords",
        promise: "no account has an empty password, and only root reads the hashes",
        breaks: "anybody logs in",
        faults: identity::passwords,
    },
];
