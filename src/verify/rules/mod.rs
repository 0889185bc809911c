//! The rules, in the order in which a machine meets what they guard.

mod boot;
mod entries;
mod firmware;
mod identity;
mod layout;
mod packages;
mod selinux;
#[cfg(test)]
mod tests;
mod transactional;

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
        name: "esp-room",
        promise: "an ESP that kernels lie on has room for one more with its initrd",
        breaks: "the first update that brings a kernel cannot be started",
        faults: entries::room,
    },
    Rule {
        name: "firmware",
        promise: "a Raspberry Pi's card has what its firmware reads, on a FAT that it knows, and config.txt names only files that exist",
        breaks: "the board shows a rainbow or nothing at all",
        faults: firmware::raspberry_pi,
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
        name: "boot-entry",
        promise: "where GRUB is told which snapshot it starts, that is the default subvolume",
        breaks: "the machine starts another snapshot than the one that an update or a rollback chose",
        faults: transactional::boot_entry,
    },
    Rule {
        name: "etc",
        promise: "`/etc` goes with its snapshot and is mounted by the initrd, as `/var` and `/root` are",
        breaks: "`/etc` is read-only at run time, or changes between an update and its start are lost",
        faults: transactional::etc,
    },
    Rule {
        name: "transaction-tools",
        promise: "an image that updates itself has the programs that an update calls",
        breaks: "the first update fails on the machine",
        faults: transactional::tools,
    },
    Rule {
        name: "transaction-folders",
        promise: "an image that updates itself has the folders that are bound into a transaction",
        breaks: "tukit aborts the first update",
        faults: transactional::folders,
    },
    Rule {
        name: "initrd",
        promise: "initrds are for any machine and have the installed modules that bring `/etc` along",
        breaks: "an initrd made in a snapshot does not start the machine, or changes of `/etc` are lost",
        faults: transactional::initrd,
    },
    Rule {
        name: "units",
        promise: "units that updates need are on, and those that write to a read-only root are off",
        breaks: "folders of new packages are missing, snapshots fill the disk, or a unit fails at every start",
        faults: transactional::units,
    },
    Rule {
        name: "first-boot",
        promise: "a machine that Ignition or combustion configures has the machine-id that they wait for",
        breaks: "the first boot is not seen as one, and nothing is configured",
        faults: transactional::first_boot,
    },
    Rule {
        name: "selinux-labels",
        promise: "every file has the label that the installed SELinux policy gives it",
        breaks: "programs are denied their own files, or the first start relabels everything",
        faults: selinux::labels,
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
