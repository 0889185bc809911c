//! Each rule holds for a sound image, and one change breaks it.

use std::sync::Arc;

use crate::{
    rpmdb::{self, Backend, ndb},
    tree::{Content, Kind, Node, RelPath, Time, Tree},
    verify::{
        facts::{Bios, Facts, Partition, Subvolume},
        verify,
    },
};

const FSTAB: &str = "\
UUID=00000000-0000-0000-0000-000000000000 / btrfs ro 0 0
UUID=00000000-0000-0000-0000-000000000000 /.snapshots btrfs subvol=/@/.snapshots 0 0
UUID=00000000-0000-0000-0000-000000000000 /var btrfs subvol=/@/var,x-initrd.mount,x-systemd.growfs 0 0
/etc /etc none bind,x-initrd.mount 0 0
";

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new();
    tree.insert(RelPath::ROOT, Node::directory(0o755, Time::default()));
    for (path, text) in files {
        let path = RelPath::new(path).unwrap();
        let mut folder = path.parent();
        while let Some(at) = folder {
            folder = at.parent();
            if tree.get(&at).is_none() {
                tree.insert(at, Node::directory(0o755, Time::default()));
            }
        }
        let node = match text.strip_prefix("-> ") {
            Some(target) => Node::symlink(target, Time::default()),
            None if *text == "dir" => Node::directory(0o755, Time::default()),
            None => Node::file(Content::from(*text), 0o600, Time::default()),
        };
        tree.insert(path, node);
    }
    tree
}

fn subvolume(path: &str, number: u8, files: &[(&str, &str)]) -> Subvolume {
    let tree = tree(files);
    let shared = Arc::new(tree.clone());
    Subvolume {
        path: RelPath::new(path).unwrap(),
        uuid: [number; 16],
        read_only: path.ends_with("/snapshot"),
        default: path.ends_with("/snapshot"),
        tree,
        copied_on_write: Vec::new(),
        read: Box::new(move |path| match shared.get(path).map(|node| &node.kind) {
            Some(Kind::File { content, .. }) => content.read(),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }),
    }
}

/// An image in which every promise holds; `etc` and `root` add files to those subvolumes.
fn image(etc: &[(&str, &str)], root: &[(&str, &str)]) -> Facts {
    let sqlite = format!("{}\u{1}\u{1}", "x".repeat(18));
    let mut root_files = vec![
        (".snapshots", "dir"),
        ("var", "dir"),
        ("etc", "dir"),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite.as_str()),
        ("boot/vmlinuz", "-> vmlinuz-6.12"),
        ("boot/vmlinuz-6.12", "kernel"),
        ("boot/initrd-6.12", "initrd"),
        (
            "boot/grub/grub.cfg",
            "  linux /@/.snapshots/$n/snapshot/boot/vmlinuz root=UUID=x\n  initrd /boot/initrd-6.12\n",
        ),
    ];
    root_files.extend(root);
    let mut etc_files = vec![
        ("fstab", FSTAB),
        ("machine-id", "uninitialized\n"),
        ("shadow", "root:!:0::::::\n"),
        ("snapper/configs/root", "SUBVOLUME=\"/\"\nFSTYPE=\"btrfs\"\nTIMELINE_CREATE=\"no\"\n"),
        ("default/snapper", "SNAPPER_CONFIGS=\"root\"\n"),
    ];
    etc_files.extend(etc);
    Facts {
        partitions: vec![Partition { name: "root".into(), offset: 1 << 20, length: 1 << 30, mbr_type: None }],
        esp: [("EFI/BOOT/BOOTX64.EFI".to_owned(), vec![0])].into(),
        subvolumes: vec![
            subvolume("@", 1, &[]),
            subvolume("@/.snapshots", 2, &[("1/info.xml", "<type>single</type><num>1</num>")]),
            subvolume("@/.snapshots/1/snapshot", 3, &root_files),
            subvolume("@/.snapshots/1/snapshot/etc", 4, &etc_files),
            subvolume("@/var", 5, &[("lib/misc/state", "x")]),
        ],
        ..Facts::default()
    }
}

#[track_caller]
fn breaks(facts: &Facts, rule: &str, fault: &str) {
    let findings = verify(facts);
    let found: Vec<_> = findings.iter().map(|finding| (finding.rule, finding.fault.as_str())).collect();
    assert!(found.iter().any(|(name, text)| *name == rule && text.contains(fault)), "{found:#?}");
    assert!(found.iter().all(|(name, _)| *name == rule), "other rules complain too: {found:#?}");
}

#[test]
fn a_sound_image_has_no_findings() {
    assert_eq!(verify(&image(&[], &[])), []);
}

#[test]
fn partitions_may_not_overlap() {
    let mut facts = image(&[], &[]);
    facts.partitions.push(Partition { name: "esp".into(), offset: 0, length: 2 << 20, mbr_type: None });
    breaks(&facts, "partition-table", "partition `esp` reaches into `root`");
}

#[test]
fn bios_starts_grub() {
    let sound = Bios {
        has_code: true,
        has_core: true,
        core_sector: 2048,
        partition_sector: 2048,
        next_sector: 2049,
        next_count: 100,
        partition_sectors: 4096,
    };
    let with = |bios| Facts { bios: Some(bios), ..image(&[], &[]) };
    assert_eq!(verify(&with(sound.clone())), []);
    assert_eq!(verify(&with(Bios { has_code: false, has_core: false, ..sound.clone() })), []);
    let mut alone = with(sound.clone());
    alone.esp = [("ROWI.ENV".to_owned(), vec![])].into();
    assert_eq!(verify(&alone), []);
    breaks(&with(Bios { has_code: false, ..sound.clone() }), "bios-code", "has no code");
    breaks(&with(Bios { core_sector: 1, ..sound.clone() }), "bios-code", "reads on at sector 1,");
    breaks(&with(Bios { next_count: 4096, ..sound }), "bios-code", "which are not its own");
}

#[test]
fn the_menu_names_files_that_exist() {
    breaks(&image(&[], &[("boot/vmlinuz", "-> vmlinuz-6.13")]), "boot-files", "boot/vmlinuz`, which does not exist");
    breaks(&image(&[], &[("boot/grub/grub.cfg", "set timeout=3\n")]), "boot-files", "starts no kernel");
    let mut facts = image(&[], &[]);
    facts.esp = [("EFI/DEBIAN/GRUB.CFG".to_owned(), vec![])].into();
    breaks(&facts, "boot-files", "the ESP has no");
}

#[test]
fn a_raspberry_pi_finds_its_files() {
    let mut facts = image(&[], &[]);
    let config = b"kernel=u-boot.bin\n[pi4]\nkernel=other.bin\n".to_vec();
    let files =
        ["BOOTCODE.BIN", "START.ELF", "FIXUP.DAT", "U-BOOT.BIN", "BCM2837-RPI-3-B.DTB", "EFI/BOOT/BOOTAA64.EFI"];
    facts.esp = files.into_iter().map(|file| (file.to_owned(), vec![])).collect();
    facts.esp.insert("CONFIG.TXT".into(), config);
    facts.partitions[0].mbr_type = Some(0x0c);
    assert_eq!(verify(&facts), []);
    for (file, said) in [
        ("START.ELF", "has no `START.ELF`"),
        ("BCM2837-RPI-3-B.DTB", "has no device tree"),
        ("U-BOOT.BIN", "config.txt has `kernel=u-boot.bin`, and there is no `u-boot.bin`"),
    ] {
        let taken = facts.esp.remove(file).unwrap();
        breaks(&facts, "firmware", said);
        facts.esp.insert(file.into(), taken);
    }
    facts.partitions[0].mbr_type = Some(0xef);
    breaks(&facts, "firmware", "is no FAT32");
}

#[test]
fn the_root_snapshot_is_default_and_read_only() {
    let mut facts = image(&[], &[]);
    facts.subvolumes[2].read_only = false;
    breaks(&facts, "default-subvolume", "is writable");
    let mut facts = image(&[], &[]);
    facts.subvolumes[4].read_only = true;
    breaks(&facts, "default-subvolume", "`/@/var` is read-only");
}

#[test]
fn files_have_the_labels_of_the_policy() {
    let files = "etc/selinux/p/contexts/files/file_contexts";
    let policy =
        [("selinux/config", "SELINUX=enforcing\nSELINUXTYPE=p\n"), (&files[4..], "/var/lib/misc/.* -- u:o:state\n")];
    breaks(&image(&policy, &[]), "selinux-labels", "the label of `/var/lib/misc/state` is none, not u:o:state");
    breaks(&image(&policy[..1], &[]), "selinux-labels", "turns SELinux on, and its policy has no `file_contexts`");
    let mut facts = image(&policy, &[]);
    let state = facts.subvolumes[4].tree.get_mut(&RelPath::new("lib/misc/state").unwrap()).unwrap();
    state.xattrs.insert(b"security.selinux".to_vec(), b"u:o:state\0".to_vec());
    assert_eq!(verify(&facts), []);
    let every = [policy[0], (&files[4..], "/.* u:o:any\n/etc u:o:etc\n")];
    let mut facts = image(&every, &[]);
    for subvolume in &mut facts.subvolumes {
        let etc = subvolume.path.as_bytes().ends_with(b"/etc");
        for (path, node) in subvolume.tree.iter_mut() {
            let label: &[u8] = if etc && path.is_root() { b"u:o:etc\0" } else { b"u:o:any\0" };
            node.xattrs.insert(b"security.selinux".to_vec(), label.to_vec());
        }
    }
    // Folders that a nested subvolume covers, and those of `@`, are not seen.
    for (number, path) in [(0, ""), (1, "1/snapshot"), (2, "etc"), (2, "var"), (2, ".snapshots")] {
        let mut node = Node::directory(0o755, Time::default());
        node.xattrs.clear();
        facts.subvolumes[number].tree.insert(RelPath::new(path).unwrap(), node);
    }
    assert_eq!(verify(&facts), []);
    assert_eq!(verify(&image(&[("selinux/config", "SELINUX=disabled\nSELINUXTYPE=p\n")], &[])), []);
}

#[test]
fn uuids_are_set_and_distinct() {
    let mut facts = image(&[], &[]);
    facts.subvolumes[4].uuid = [3; 16];
    breaks(&facts, "subvolume-uuids", "shares its UUID");
    facts.subvolumes[4].uuid = [0; 16];
    breaks(&facts, "subvolume-uuids", "has no UUID");
}

#[test]
fn the_root_line_follows_the_default_subvolume() {
    let fixed = FSTAB.replace(" ro 0", " ro,subvol=@/.snapshots/1/snapshot 0");
    breaks(&image(&[("fstab", &fixed)], &[]), "fstab-root", "names subvolume");
    breaks(&image(&[("fstab", &FSTAB.replace(" ro 0", " rw 0"))], &[]), "fstab-root", "is not `ro`");
    breaks(
        &image(&[("fstab", &FSTAB.replacen("0000-000000000000 /", "0000-000000000001 /", 1))], &[]),
        "fstab-root",
        "names `UUID=",
    );
}

#[test]
fn fstab_and_subvolumes_agree() {
    let missing = FSTAB.lines().filter(|line| !line.contains("/var")).collect::<Vec<_>>().join("\n");
    breaks(&image(&[("fstab", &missing)], &[]), "fstab-subvolumes", "no line of /etc/fstab mounts `/@/var`");
    let extra = format!("{FSTAB}UUID=x /var btrfs subvol=@/srv 0 0\n");
    breaks(&image(&[("fstab", &extra)], &[]), "fstab-subvolumes", "`/@/srv`, which does not exist");
    let nowhere = format!("{FSTAB}tmpfs /nowhere tmpfs defaults 0 0\n");
    breaks(&image(&[("fstab", &nowhere)], &[]), "fstab-subvolumes", "mount point `/nowhere`");
}

#[test]
fn var_is_not_copied_on_write() {
    let mut facts = image(&[], &[]);
    facts.subvolumes[4].copied_on_write.push(RelPath::new("lib/misc/state").unwrap());
    breaks(&facts, "nodatacow", "`/var/lib/misc/state` and 0 more");
}

#[test]
fn snapper_is_configured() {
    breaks(&image(&[("default/snapper", "SNAPPER_CONFIGS=\"\"\n")], &[]), "snapper", "lists the configuration");
    breaks(
        &image(&[("snapper/configs/root", "SUBVOLUME=\"/\"\nFSTYPE=\"btrfs\"\n")], &[]),
        "snapper",
        "TIMELINE_CREATE",
    );
    let mut facts = image(&[], &[]);
    facts.subvolumes[1] = subvolume("@/.snapshots", 2, &[]);
    breaks(&facts, "snapper", "info.xml");
}

#[test]
fn the_rpmdb_opens_read_only() {
    let wal = format!("{}\u{2}\u{2}", "x".repeat(18));
    breaks(&image(&[], &[("usr/lib/sysimage/rpm/rpmdb.sqlite", &wal)]), "rpmdb", "rollback-journal");
    breaks(&image(&[], &[("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", "x")]), "rpmdb", "left behind");
    let mut facts = image(&[], &[]);
    facts.subvolumes[4] = subvolume("@/var", 5, &[("lib/rpm/rpmdb.sqlite", "x")]);
    breaks(&facts, "rpmdb", "hide the snapshot's database");
}

#[test]
fn an_ndb_has_the_indexes_of_its_headers() {
    let folder = tempfile::tempdir().unwrap();
    rpmdb::write_canonical(Backend::Ndb, folder.path(), &[]).unwrap();
    let [packages, index] =
        [ndb::FILE_NAME, ndb::INDEX_NAME].map(|name| fs_err::read(folder.path().join(name)).unwrap());
    let with = |files: &[(&str, &[u8])]| {
        let mut facts = image(&[], &[]);
        let tree = &mut facts.subvolumes[2].tree;
        let place = RelPath::new("usr/lib/sysimage/rpm").unwrap();
        tree.remove(&place.join("rpmdb.sqlite").unwrap());
        for (name, bytes) in files {
            tree.insert(place.join(name).unwrap(), Node::file(Content::from(bytes.to_vec()), 0o644, Time::default()));
        }
        let shared = Arc::new(tree.clone());
        facts.subvolumes[2].read = Box::new(move |path| match shared.get(path).map(|node| &node.kind) {
            Some(Kind::File { content, .. }) => content.read(),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        });
        facts
    };
    assert_eq!(verify(&with(&[("Packages.db", &packages), ("Index.db", &index)])), []);
    breaks(&with(&[("Packages.db", &packages)]), "rpmdb", "without writing");
    breaks(&with(&[("Packages.db", b"x"), ("Index.db", &index)]), "rpmdb", "cut short");
    let mut older = packages.clone();
    older[8] ^= 1;
    breaks(&with(&[("Packages.db", &older), ("Index.db", &index)]), "rpmdb", "another generation");
    breaks(&with(&[("Packages.db", &packages), ("rpmdb.sqlite", b"x")]), "rpmdb", "two package databases");
    breaks(&with(&[]), "rpmdb", "no package database");
}

#[test]
fn nothing_identifies_a_machine() {
    breaks(&image(&[("machine-id", "0123456789abcdef0123456789abcdef\n")], &[]), "machine-identity", "machine-id");
    breaks(&image(&[("hostid", "x")], &[]), "machine-identity", "/etc/hostid");
}

#[test]
fn no_file_is_a_private_key() {
    breaks(&image(&[("ssh/ssh_host_ed25519_key", KEY)], &[]), "private-keys", "ssh_host_ed25519_key` is a private key");
    assert_eq!(
        verify(&image(&[], &[("usr/share/doc/x", "A key begins with -----BEGIN PRIVATE KEY-----\n as you see")])),
        []
    );
}

#[test]
fn no_account_is_open() {
    breaks(&image(&[("shadow", "root::0::::::\n")], &[]), "passwords", "account `root` has an empty password");
    let mut facts = image(&[], &[]);
    facts.subvolumes[3].tree.get_mut(&RelPath::new("shadow").unwrap()).unwrap().mode = 0o644;
    breaks(&facts, "passwords", "has mode 0644");
}

/// As [`image`], with a program that updates it and all that this needs.
fn updating(etc: &[(&str, &str)], root: &[(&str, &str)]) -> Facts {
    let mut files: Vec<(String, &str)> = vec![("usr/sbin/rowi-update".into(), "x")];
    let programs = ["snapper", "btrfs", "zypper", "rpm", "rpm2cpio", "cpio", "rsync", "gawk", "findmnt", "systemctl"];
    files.extend(programs.iter().map(|name| (format!("usr/bin/{name}"), "x")));
    files.push(("usr/lib/systemd/system/snapper-cleanup.timer".into(), "x"));
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    files.extend(root);
    let mut settings = vec![
        ("dracut.conf.d/50-rowi.conf", "hostonly=\"no\"\n"),
        (
            "systemd/system/timers.target.wants/snapper-cleanup.timer",
            "-> /usr/lib/systemd/system/snapper-cleanup.timer",
        ),
    ];
    settings.extend(etc);
    let mut facts = image(&settings, &files);
    facts.subvolumes[4] = subvolume("@/var", 5, &[("lib/ca-certificates", "dir"), ("log", "dir"), ("cache", "dir")]);
    facts.esp.insert("EFI/ROWI/GRUBENV".into(), block(1));
    facts
}

fn block(snapshot: u32) -> Vec<u8> {
    let mut block = format!("# GRUB Environment Block\nrowi_snapshot={snapshot}\n").into_bytes();
    block.resize(1024, b'#');
    block
}

fn without(mut facts: Facts, path: &str) -> Facts {
    for subvolume in &mut facts.subvolumes {
        subvolume.tree.remove(&RelPath::new(path).unwrap());
    }
    facts
}

#[test]
fn an_image_that_updates_itself_has_what_that_needs() {
    assert_eq!(verify(&updating(&[], &[])), []);
    breaks(&without(updating(&[], &[]), "usr/bin/gawk"), "transaction-tools", "no program `gawk`");
    breaks(&without(updating(&[], &[]), "lib/ca-certificates"), "transaction-folders", "`/var/lib/ca-certificates`");
    let only = |setting| updating(&[("dracut.conf.d/50-rowi.conf", setting)], &[]);
    breaks(&only("hostonly=\"yes\"\n"), "initrd", "hostonly");
    breaks(
        &without(updating(&[], &[]), "systemd/system/timers.target.wants/snapper-cleanup.timer"),
        "units",
        "is not enabled",
    );
    breaks(&updating(&[("systemd/system/timers.target.wants/snapper-boot.timer", "-> x")], &[]), "units", "is enabled");
    breaks(
        &updating(&[("machine-id", "")], &[("usr/lib/dracut/modules.d/30firstboot/x", "x")]),
        "first-boot",
        "is empty",
    );
}

#[test]
fn the_boot_loader_starts_the_default() {
    let mut facts = updating(&[], &[]);
    facts.esp.insert("EFI/ROWI/GRUBENV".into(), block(2));
    breaks(&facts, "boot-entry", "starts snapshot `2`");
    facts.esp.insert("EFI/ROWI/GRUBENV".into(), block(1)[..512].to_vec());
    breaks(&facts, "boot-entry", "has 512 bytes");
}

#[test]
fn entries_start_their_snapshot() {
    let with = |config: &str, options: &str, files: &[(&str, &str)]| {
        let mut facts = updating(&[], &[]);
        facts.esp.remove("EFI/ROWI/GRUBENV");
        facts.esp_size = 2 << 20;
        let entry = format!("title x\noptions root=UUID=y {options} ro\nlinux /rowi/linux-1\ninitrd /rowi/initrd-1\n");
        let all = [("LOADER/LOADER.CONF", config), ("LOADER/ENTRIES/ROWI-1.CONF", &entry)];
        let all = all.iter().chain(files);
        facts.esp.extend(all.map(|(file, text)| ((*file).to_owned(), text.as_bytes().to_vec())));
        facts
    };
    let (config, options) = ("default rowi-1.conf\n#\n", "rootflags=subvol=@/.snapshots/1/snapshot");
    let both = [("ROWI/LINUX-1", "kernel"), ("ROWI/INITRD-1", "initrd")];
    assert_eq!(verify(&with(config, options, &both)), []);
    breaks(&with("default rowi-2.conf\n", options, &both), "boot-entry", "starts `rowi-2.conf`, which is no entry");
    breaks(&with(config, "rootflags=subvol=@/.snapshots/2/snapshot", &both), "boot-entry", "starts `/@/.snapshots/2/");
    breaks(&with(config, "", &both), "boot-entry", "names no snapshot");
    breaks(&with(config, options, &both[..1]), "boot-files", "`ROWI/INITRD-1`, which the ESP does not have");
    let other = [("ROWI/LINUX-1", "kernel"), ("ROWI/INITRD-1", "another")];
    breaks(&with(config, options, &other), "boot-entry", "`ROWI/INITRD-1` is none of the files");
    let mut small = with(config, options, &both);
    small.esp_size = 1 << 20;
    breaks(&small, "esp-room", "the ESP has 1 MiB");
}

#[test]
fn etc_is_mounted_by_the_initrd() {
    let line = "/etc /etc none bind,x-initrd.mount 0 0\n";
    breaks(&image(&[("fstab", &FSTAB.replace(line, ""))], &[]), "etc", "no line of /etc/fstab mounts it");
    breaks(&image(&[("fstab", &FSTAB.replace("bind,x-initrd.mount", "bind"))], &[]), "etc", "line for `/etc`");
    breaks(&image(&[("fstab", &FSTAB.replace("@/var,x-initrd.mount", "@/var"))], &[]), "etc", "line for `/var`");
}

#[test]
fn a_layer_over_etc_is_its_snapshots_own() {
    let layered = |upper: &str, folder: &str| {
        let options = format!("lowerdir=/sysroot/etc,upperdir=/sysroot{upper},workdir=/sysroot/w,x-initrd.mount");
        let fstab = FSTAB.replace("/etc /etc none bind,x-initrd.mount", &format!("overlay /etc overlay {options}"));
        let mut facts = image(&[], &[]);
        let etc = facts.subvolumes.remove(3);
        let files: Vec<(String, String)> = etc
            .tree
            .iter()
            .filter_map(|(path, node)| match &node.kind {
                Kind::File { content, .. } => {
                    Some((format!("etc{path}"), String::from_utf8(content.read().unwrap()).unwrap()))
                }
                _ => None,
            })
            .collect();
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        files.retain(|(path, _)| *path != "etc/fstab");
        files.push(("etc/fstab", fstab.as_str()));
        files.extend([
            ("boot/vmlinuz-6.12", "kernel"),
            ("boot/initrd-6.12", "initrd"),
            ("var", "dir"),
            (".snapshots", "dir"),
        ]);
        let sqlite = format!("{}\u{1}\u{1}", "x".repeat(18));
        files.push(("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite.as_str()));
        files.push((
            "boot/grub/grub.cfg",
            "linux /@/.snapshots/$n/snapshot/boot/vmlinuz-6.12\ninitrd /boot/initrd-6.12\n",
        ));
        facts.subvolumes[2] = subvolume("@/.snapshots/1/snapshot", 3, &files);
        facts.subvolumes[3] = subvolume("@/var", 5, &[(folder, "dir")]);
        facts
    };
    assert_eq!(verify(&layered("/var/lib/overlay/1/etc", "lib/overlay/1/etc")), []);
    breaks(&layered("/var/lib/overlay/etc", "lib/overlay/etc"), "etc", "own layer is `/var/lib/overlay/1/etc`");
    breaks(&layered("/var/lib/overlay/1/etc", "lib/overlay/1"), "etc", "there is no folder `/var/lib/overlay/1/etc`");
}

#[test]
fn the_initrd_has_the_modules_that_bring_etc_along() {
    // As dracut writes it: an early archive, then zstd around the rest (cpio(5), newc: a name, its content, the next head).
    let initrd = |modules: &str| {
        let plain = format!("070701usr/lib/dracut/modules.txt\0\0{modules}\0070701TRAILER!!!\0");
        [b"070701early".to_vec(), zstd::bulk::compress(plain.as_bytes(), 1).unwrap()].concat()
    };
    let with = |modules: &str| {
        let mut facts = updating(&[], &[("usr/lib/dracut/modules.d/50rowi-etc/module-setup.sh", "x")]);
        let bytes = initrd(modules);
        let root = &mut facts.subvolumes[2];
        let read = std::mem::replace(&mut root.read, Box::new(|_| Ok(Vec::new())));
        root.read =
            Box::new(move |path| if path.as_bytes() == b"boot/initrd-6.12" { Ok(bytes.clone()) } else { read(path) });
        facts
    };
    assert_eq!(verify(&with("bash\nrowi-etc\nbase\n")), []);
    breaks(&with("bash\nbase\n"), "initrd", "has no dracut module `rowi-etc`");
    breaks(&with("rowi-etc\nvolatile-overlay\n"), "initrd", "hides the root");
}
