//! The cut into subvolumes.

use super::{partition, path, plan, tree};
use crate::{
    disk::{Error, btrfs::FileSystem, layout::file_system},
    plan::{layout, uuid_text},
    profile::{EtcMode, PartitionKind, Subvolume},
    tree::{Kind, Tree},
};

fn names(tree: &Tree) -> Vec<String> {
    tree.iter().map(|(path, _)| String::from_utf8_lossy(path.as_bytes()).into_owned()).collect()
}

fn of<'a>(fs: &'a FileSystem, name: &str) -> &'a Tree {
    &fs.subvolumes.iter().find(|subvolume| subvolume.path == path(name)).unwrap().tree
}

fn files() -> Tree {
    tree(&[
        ("etc/fstab", "x"),
        ("usr/bin/sh", "x"),
        ("usr/local/bin/own", "x"),
        ("var/lib/state", "x"),
        ("var-x", "x"),
        ("boot/grub/grub.cfg", "x"),
        ("boot/vmlinuz", "x"),
        ("tmp/left", "x"),
        ("run/left", "x"),
        (".snapshots/left", "x"),
    ])
}

#[test]
fn what_is_below_a_mount_point_moves() {
    let fs = file_system(&files(), &plan(), None).unwrap();
    let paths: Vec<_> = fs.subvolumes.iter().map(|subvolume| subvolume.path.to_string()).collect();
    assert_eq!(
        paths,
        [
            "/@",
            "/@/.snapshots",
            "/@/.snapshots/1/snapshot",
            "/@/.snapshots/1/snapshot/etc",
            "/@/var",
            "/@/home",
            "/@/root",
            "/@/srv",
            "/@/usr/local",
            "/@/boot/grub"
        ]
    );
    assert_eq!(
        names(of(&fs, "@/.snapshots/1/snapshot")),
        [
            "",
            ".snapshots",
            "boot",
            "boot/efi",
            "boot/grub",
            "boot/vmlinuz",
            "dev",
            "home",
            "proc",
            "root",
            "run",
            "srv",
            "sys",
            "tmp",
            "usr",
            "usr/bin",
            "usr/bin/sh",
            "usr/local",
            "var",
            "var-x"
        ]
    );
    assert_eq!(names(of(&fs, "@/.snapshots/1/snapshot/etc")), ["", "fstab"]);
    assert_eq!(names(of(&fs, "@/usr/local")), ["", "bin", "bin/own"]);
    assert_eq!(names(of(&fs, "@/.snapshots")), ["", "1", "1/info.xml"]);
    assert_eq!(names(of(&fs, "@/home")), [""]);
    assert_eq!(of(&fs, "@/root").at("").unwrap().mode, 0o700);
    let root = &fs.subvolumes[fs.default];
    assert!(root.read_only && root.path == path("@/.snapshots/1/snapshot"));
    assert_eq!(root.tree.at(".snapshots").unwrap().mode, 0o750);
    assert!(fs.subvolumes.iter().all(|subvolume| subvolume.nodatacow == (subvolume.path == path("@/var"))));
}

#[test]
fn snapper_finds_the_first_snapshot() {
    let fs = file_system(&files(), &plan(), None).unwrap();
    let Kind::File { content, .. } = &of(&fs, "@/.snapshots").at("1/info.xml").unwrap().kind else { panic!() };
    let text = String::from_utf8(content.read().unwrap()).unwrap();
    assert!(text.contains("<date>2023-11-14 22:13:21</date>"), "{text}");
}

#[test]
fn nested_subvolumes_lie_in_the_one_that_shows_them() {
    let mut plan = plan();
    plan.layout.etc = EtcMode::Plain;
    plan.layout.subvolumes.insert(0, Subvolume { path: "/var/lib/containers".into(), nodatacow: false });
    plan.traits.default_subvolume_boot = true;
    let fs = file_system(&files(), &plan, None).unwrap();
    let paths: Vec<_> = fs.subvolumes.iter().map(|subvolume| subvolume.path.to_string()).collect();
    assert_eq!(
        paths[3..],
        [
            "/@/var",
            "/@/home",
            "/@/root",
            "/@/srv",
            "/@/usr/local",
            "/@/var/lib/containers",
            "/@/boot/grub/x86_64-efi",
            "/@/boot/grub/i386-pc"
        ]
    );
    assert_eq!(names(of(&fs, "@/var")), ["", "lib", "lib/state"]);
    assert!(of(&fs, "@/.snapshots/1/snapshot").at("etc/fstab").is_some());
    assert!(of(&fs, "@/.snapshots/1/snapshot").at("boot/grub/i386-pc").is_some());
}

#[test]
fn a_file_is_no_subvolume() {
    let error = file_system(&tree(&[("srv", "-> var/srv")]), &plan(), None).unwrap_err();
    assert!(matches!(error, Error::Subvolume(text) if text.starts_with("`/srv`")));
}

#[test]
fn identifiers_are_those_of_the_plan() {
    let plan = plan();
    let fs = file_system(&files(), &plan, None).unwrap();
    assert_eq!(fs.fsid, layout::fs_uuid(&plan));
    assert_ne!(uuid_text(&fs.fsid), uuid_text(&fs.device_uuid));
    assert_eq!(layout::serial_text(0x00ab_cd01), "00AB-CD01");
    let mut card = plan.clone();
    card.layout.partitions = vec![
        partition("firmware", PartitionKind::Fat, Some(64)),
        partition("config", PartitionKind::Fat, Some(16)),
        partition("root", PartitionKind::Root, None),
    ];
    assert_eq!(layout::firmware_partition(&card), Some("firmware"));
    assert_ne!(layout::fat_serial(&card, "firmware"), layout::fat_serial(&card, "config"));
    assert_eq!(layout::esp_serial(&plan), Some(layout::fat_serial(&plan, "esp")));
}
