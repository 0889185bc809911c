//! Images of our own writing, read back from their bytes: sound ones have no findings, damaged ones do, and no damage
//! ends in a panic.

use std::{io::Write, os::unix::fs::FileExt, path::Path};

use super::{Error, Facts, verify};
use crate::{
    disk::{self, Contents},
    image::{self, Source},
    plan::{Plan, layout, uuid_text},
    profile::{Format, PartitionKind, Table},
    report::Report,
    tree::{RelPath, Tree},
};

use crate::disk::tests::{grub, partition, plan, tree};

/// A root in which every promise holds.
fn root(plan: &Plan) -> Tree {
    let device = format!("UUID={}", uuid_text(&layout::fs_uuid(plan)));
    let mut fstab = format!("{device} / btrfs ro 0 0\n");
    let serial = layout::serial_text(layout::esp_serial(plan).unwrap());
    fstab += &format!("UUID={serial} /boot/efi vfat umask=0077 0 0\n/etc /etc none bind,x-initrd.mount 0 0\n");
    for mounted in layout::subvolumes(plan) {
        let at = mounted.mount.filter(|at| at != "/" && at != "/etc");
        let line = |at| format!("{device} {at} btrfs subvol={},x-initrd.mount 0 0\n", mounted.path);
        fstab += &at.map(line).unwrap_or_default();
    }
    let sqlite = format!("SQLite format 3\0xx\u{1}\u{1}{}", "x".repeat(5000));
    let info = "SUBVOLUME=\"/\"\nFSTYPE=\"btrfs\"\nTIMELINE_CREATE=\"no\"\n";
    tree(&[
        ("etc/fstab", &fstab),
        ("etc/machine-id", "uninitialized\n"),
        ("etc/shadow", "root:!:0::::::\n"),
        ("etc/snapper/configs/root", info),
        ("etc/default/snapper", "SNAPPER_CONFIGS=\"root\"\n"),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", &sqlite),
        ("boot/vmlinuz", "-> vmlinuz-6.12"),
        ("boot/vmlinuz-6.12", "kernel"),
        ("boot/initrd-6.12", "initrd"),
        ("boot/grub/grub.cfg", "linux /boot/vmlinuz root=UUID=x\ninitrd /boot/initrd-6.12\n"),
        ("var/lib/state", "x"),
        ("home/a", "b"),
    ])
}

fn contents(plan: &Plan) -> Contents {
    let esp = [("EFI/BOOT/bootx64.efi", "program"), ("EFI/debian/a long name.cfg", "search"), ("empty", "")];
    let esp = esp.map(|(path, text)| (path.to_owned(), text.into())).into();
    Contents { tree: root(plan), esp, bios: Some(grub()), ..Contents::default() }
}

fn write(plan: &Plan, contents: &Contents, format: Format, folder: &Path) -> std::path::PathBuf {
    let disk = disk::lay_out(contents, plan, folder, &Report::default()).unwrap();
    let file = folder.join("disk");
    image::write(&disk, format, &file, &Report::default()).unwrap();
    file
}

fn facts(file: &Path) -> Result<Facts, Error> {
    Facts::read(Source::open(file).unwrap())
}

#[test]
fn what_is_written_is_read_back_and_right() {
    for format in [Format::Raw, Format::Qcow2] {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan();
        let facts = facts(&write(&plan, &contents(&plan), format, folder.path())).unwrap();
        assert_eq!(verify(&facts), []);
        let names: Vec<_> = facts.partitions.iter().map(|partition| partition.name.as_str()).collect();
        assert_eq!(names, ["bios", "esp", "root"]);
        assert_eq!(facts.fsid, layout::fs_uuid(&plan));
        assert_eq!(facts.esp["EFI/DEBIAN/A LONG NAME.CFG"], b"search");
        assert_eq!(facts.esp["EMPTY"], b"");
        assert_eq!(facts.text("/home/a").unwrap(), "b");
        assert_eq!(facts.text("/usr/lib/sysimage/rpm/rpmdb.sqlite").unwrap().len(), 5020);
        let uuids: Vec<_> = layout::subvolumes(&plan).iter().map(|mounted| mounted.uuid).collect();
        assert_eq!(facts.subvolumes.iter().map(|subvolume| subvolume.uuid).collect::<Vec<_>>(), uuids);
        assert!(
            facts
                .locate("/var/lib/state")
                .is_some_and(|(subvolume, _)| subvolume.path == RelPath::new("@/var").unwrap())
        );
    }
}

#[test]
fn a_card_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.layout.table = Table::Mbr;
    plan.layout.partitions = vec![
        partition("firmware", PartitionKind::Fat, Some(64)),
        partition("config", PartitionKind::Fat, Some(16)),
        partition("root", PartitionKind::Root, None),
    ];
    plan.layout.partitions[0].mount = Some("/boot/efi".into());
    let contents = Contents { bios: None, ..contents(&plan) };
    let facts = facts(&write(&plan, &contents, Format::Raw, folder.path())).unwrap();
    assert_eq!(verify(&facts), []);
    assert_eq!(facts.partitions.len(), 3);
    assert!(facts.esp.contains_key("EFI/BOOT/BOOTX64.EFI"));
}

/// Bytes before the table of a FAT.
fn reserved(image: &[u8], fat: usize) -> usize {
    usize::from(u16::from_le_bytes([image[fat + 14], image[fat + 15]])) * 512
}

fn damage(file: &Path, offset: u64, bytes: &[u8]) {
    let file = fs_err::OpenOptions::new().write(true).open(file).unwrap();
    file.file().write_all_at(bytes, offset).unwrap();
}

#[test]
fn damage_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan();
    let file = write(&plan, &contents(&plan), Format::Raw, folder.path());
    let size = fs_err::metadata(&file).unwrap().len();
    let sound = fs_err::read(&file).unwrap();
    let found = |offset: u64, bytes: &[u8], fault: &str| {
        damage(&file, offset, bytes);
        let findings = verify(&facts(&file).unwrap());
        assert!(findings.iter().any(|finding| finding.fault.contains(fault)), "{fault}: {findings:?}");
        let offset = offset as usize;
        damage(&file, offset as u64, &sound[offset..offset + bytes.len()]);
    };
    found(512 + 60, b"x", "the partition table has a header that is damaged");
    found(1024 + 60, b"x", "the partition table has entries that are damaged");
    found(size - 512, b"x", "at the end of the disk is missing");
    found(size - 33 * 512, b"x", "at the end of the disk has entries that are damaged");
    found(446 + 4, &[0x83], "no protective record");
    found(0x5c, &[1], "reads on at sector");
    found((3 << 20) + reserved(&sound, 3 << 20) as u64 + 4000, &[7], "copies of its table differ");
    found((3 << 20) + 13, &[3], "of a size that cannot be");
    assert_eq!(verify(&facts(&file).unwrap()), []);
    damage(&file, (67 << 20) + 0x1_0040, b"no");
    assert!(matches!(facts(&file), Err(Error::NoRoot)));
    damage(&file, 512, &[0; 512]);
    damage(&file, size - 512, &[0; 512]);
    damage(&file, 446, &[0; 64]);
    assert!(matches!(facts(&file), Err(Error::NoTable)));
}

/// Every byte of the table and of the FAT's first sectors and folders, changed one at a time.
#[test]
fn no_damage_ends_in_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.layout.partitions[1].size = Some(crate::units::Bytes::from_mib(8));
    let file = write(&plan, &contents(&plan), Format::Raw, folder.path());
    let sound = fs_err::read(&file).unwrap();
    let fat = 3 << 20;
    let tables = fat + reserved(&sound, fat);
    let folders = sound[tables..].windows(8).position(|bytes| bytes == b"ESP     ").unwrap() + tables;
    let places = [(0, 1200), (fat, 70), (tables, 40), (folders, 800)];
    let mut random = 1_u32;
    for (start, length) in places {
        for at in start..start + length {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            damage(&file, at as u64, &[(random >> 24) as u8]);
            drop(super::open::shallow(&Source::open(&file).unwrap().into()));
            damage(&file, at as u64, &sound[at..=at]);
        }
    }
}

#[test]
fn what_is_no_disk_is_refused() {
    for length in [0, 1, 511, 512, 1023, 4096, 1 << 20] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![0x55; length]).unwrap();
        assert!(matches!(facts(file.path()), Err(Error::NoTable)), "{length}");
    }
}
