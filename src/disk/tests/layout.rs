//! The cut into subvolumes.

use super::{partition, path, plan, tree};
use crate::{
    disk::{Contents, Error, btrfs::FileSystem, layout::file_system},
    plan::{Plan, layout, uuid_text},
    profile::{EtcMode, PartitionKind, Subvolume},
    selinux::{self, FileContexts, XATTR},
    tree::{Kind, LinkSet, Tree},
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

fn cut(tree: Tree, plan: &Plan) -> Result<FileSystem, Error> {
    file_system(&Contents { tree, ..Contents::default() }, plan, None)
}

#[test]
fn what_is_below_a_mount_point_moves() {
    let fs = cut(files(), &plan()).unwrap();
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
    let fs = cut(files(), &plan()).unwrap();
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
    let fs = cut(files(), &plan).unwrap();
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
    let error = cut(tree(&[("srv", "-> var/srv")]), &plan()).unwrap_err();
    assert!(matches!(error, Error::Subvolume(text) if text.starts_with("`/srv`")));
}

#[test]
fn identifiers_are_those_of_the_plan() {
    let plan = plan();
    let fs = cut(files(), &plan).unwrap();
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

/// By the path at which the running system sees a file, whichever subvolume has it; those that the cut itself makes, too.
#[test]
fn every_file_is_labelled_by_the_path_at_which_it_is_seen() {
    let policy = "/.* u:o:any\n/ u:o:root\n/etc u:o:etc\n/etc/fstab -- u:o:fstab\n/var/lib/state u:o:state\n\
                  /\\.snapshots/1/info\\.xml u:o:snapper\n/proc <<none>>\n/usr/bin/sh u:o:shell\n/usr/local/bin/own u:o:own\n";
    let text = |path: &str| match path {
        selinux::CONFIG => Some("SELINUXTYPE=p".into()),
        path => (path == selinux::path("p")).then(|| policy.to_owned()),
    };
    let mut tree = files();
    for name in ["usr/bin/sh", "usr/bin/shell"] {
        let mut node = tree.at("usr/bin/sh").unwrap().clone();
        let Kind::File { link, .. } = &mut node.kind else { panic!("{node:?}") };
        *link = Some(LinkSet(1));
        tree.insert(path(name), node);
    }
    let contents = Contents { tree, labels: FileContexts::read(text).unwrap(), ..Contents::default() };
    let fs = file_system(&contents, &plan(), None).unwrap();
    let label = |subvolume: &str, file: &str| {
        let node = of(&fs, subvolume).at(file).unwrap_or_else(|| panic!("{subvolume} has no {file}"));
        node.xattrs.get(XATTR).map(|value| String::from_utf8_lossy(value).into_owned())
    };
    for (subvolume, file, wanted) in [
        ("@/.snapshots/1/snapshot", "", Some("u:o:root\0")),
        ("@/.snapshots/1/snapshot", "usr/bin/sh", Some("u:o:shell\0")),
        ("@/.snapshots/1/snapshot", "usr/bin/shell", Some("u:o:shell\0")),
        ("@/.snapshots/1/snapshot", "proc", None),
        ("@/.snapshots/1/snapshot/etc", "", Some("u:o:etc\0")),
        ("@/.snapshots/1/snapshot/etc", "fstab", Some("u:o:fstab\0")),
        ("@/var", "lib/state", Some("u:o:state\0")),
        ("@/var", "lib", Some("u:o:any\0")),
        ("@/usr/local", "bin/own", Some("u:o:own\0")),
        ("@/.snapshots", "1/info.xml", Some("u:o:snapper\0")),
    ] {
        assert_eq!(label(subvolume, file).as_deref(), wanted, "{subvolume} {file}");
    }
}
