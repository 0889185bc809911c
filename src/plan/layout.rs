//! The plan's layout as names and numbers: which subvolumes there are and where they are mounted, and the identifiers
//! by which fstab, GRUB's menu and the disk writer mean the same file systems.

use super::{Plan, Seed};
use crate::{
    profile::{Arch, EtcMode, Loader, PartitionKind},
    tree::RelPath,
};

/// What every subvolume but the root snapshot's own lies below.
const TOP: &str = "@";
/// snapper's subvolume.
const SNAPSHOTS: &str = "@/.snapshots";
/// The first snapshot, from the top level of the file system.
pub const ROOT_SNAPSHOT: &str = "@/.snapshots/1/snapshot";

/// GRUB's folder where the distribution does not say otherwise.
const GRUB: &str = "/boot/grub2";

/// A subvolume and where the running system has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mounted {
    /// Path from the top level: `@/var`.
    pub path: RelPath,
    /// Where it is seen: `/var`; nothing for `@`, which is not mounted.
    pub mount: Option<String>,
    /// Without copy-on-write.
    pub nodatacow: bool,
    /// Read-only, as the root snapshot.
    pub read_only: bool,
    /// Mounted when nobody names a subvolume.
    pub default: bool,
    /// Its UUID.
    pub uuid: [u8; 16],
}

/// All subvolumes, parents before what is nested in them.
///
/// A nested `/etc` is seen at its place without a mount of its subvolume; all others with a mount point need a line
/// of fstab.
pub fn subvolumes(plan: &Plan) -> Vec<Mounted> {
    let mut all = vec![
        subvolume(&plan.seed, TOP, None, false),
        subvolume(&plan.seed, SNAPSHOTS, Some("/.snapshots"), false),
        Mounted { read_only: true, default: true, ..subvolume(&plan.seed, ROOT_SNAPSHOT, Some("/"), false) },
    ];
    if plan.layout.etc == EtcMode::Subvolume {
        all.push(subvolume(&plan.seed, &format!("{ROOT_SNAPSHOT}/etc"), Some("/etc"), false));
    }
    let mut own: Vec<(String, bool)> =
        plan.layout.subvolumes.iter().map(|subvolume| (subvolume.path.clone(), subvolume.nodatacow)).collect();
    for folder in grub_folders(plan) {
        if !own.iter().any(|(path, _)| *path == folder) {
            own.push((folder, false));
        }
    }
    // Stable: siblings keep the profile's order, which is fstab's.
    own.sort_by_key(|(path, _)| path.matches('/').count());
    all.extend(own.iter().map(|(path, plain)| subvolume(&plan.seed, &format!("{TOP}{path}"), Some(path), *plain)));
    all
}

fn subvolume(seed: &Seed, path: &str, mount: Option<&str>, nodatacow: bool) -> Mounted {
    Mounted {
        path: RelPath::new(path).unwrap_or_default(),
        mount: mount.map(Into::into),
        nodatacow,
        read_only: false,
        default: false,
        uuid: seed.uuid(&format!("subvolume/{path}")),
    }
}

/// Folders of GRUB that outlive a rollback: its whole folder, or where the distribution's GRUB resolves paths from the
/// default subvolume and must find its menu in the snapshot, only those of its modules.
pub fn grub_folders(plan: &Plan) -> Vec<String> {
    let folder = plan.paths.get("grub").map_or(GRUB, String::as_str);
    let platforms = grub_platforms(plan);
    if platforms.is_empty() {
        Vec::new()
    } else if plan.traits.default_subvolume_boot {
        platforms.iter().map(|platform| format!("{folder}/{platform}")).collect()
    } else {
        vec![folder.to_owned()]
    }
}

/// GRUB's names of the platforms that its loaders are for.
pub fn grub_platforms(plan: &Plan) -> Vec<&'static str> {
    let loaders = plan.boot.loaders.iter();
    loaders
        .filter_map(|loader| match (loader, plan.arch) {
            (Loader::Grub2Bios, _) => Some("i386-pc"),
            (Loader::Grub2Efi, Arch::X86_64) => Some("x86_64-efi"),
            (Loader::Grub2Efi, Arch::Aarch64) => Some("arm64-efi"),
            (Loader::SystemdBoot, _) => None,
        })
        .collect()
}

/// UUID of the btrfs file system: fstab's and GRUB's `UUID=`.
pub fn fs_uuid(plan: &Plan) -> [u8; 16] {
    plan.seed.uuid("fsid")
}

/// GUID of a partition in a GPT.
pub fn partition_uuid(plan: &Plan, name: &str) -> [u8; 16] {
    plan.seed.uuid(&format!("partition/{name}"))
}

/// Serial number of the FAT file system on a partition.
pub fn fat_serial(plan: &Plan, partition: &str) -> u32 {
    let [a, b, c, d, ..] = plan.seed.bytes(&format!("fat/{partition}"));
    u32::from_be_bytes([a, b, c, d])
}

/// Name of the partition that the firmware reads: the EFI system partition, or the first other FAT.
pub fn firmware_partition(plan: &Plan) -> Option<&str> {
    let of = |kind| plan.layout.partitions.iter().find(|partition| partition.kind == kind);
    of(PartitionKind::Esp).or_else(|| of(PartitionKind::Fat)).map(|partition| partition.name.as_str())
}

/// Serial number of the FAT that the firmware reads.
pub fn esp_serial(plan: &Plan) -> Option<u32> {
    Some(fat_serial(plan, firmware_partition(plan)?))
}

/// A FAT serial number as fstab's `UUID=` has it: `ABCD-1234`.
pub fn serial_text(serial: u32) -> String {
    format!("{:04X}-{:04X}", serial >> 16, serial & 0xffff)
}
