//! Whole disks: table, file systems and boot code together.

use super::{content, grub, judge, lay_out, partition, plan, raw, tree};
use crate::{
    disk::{Contents, Error},
    image,
    profile::{Format, PartitionKind, Table},
    report::{Explain, Report},
    units::Bytes,
};

fn contents() -> Contents {
    Contents {
        tree: tree(&[("etc/fstab", "x"), ("usr/bin/sh", "x"), ("var/lib/state", "x"), ("boot/vmlinuz", "x")]),
        esp: [("EFI/BOOT/BOOTX64.EFI".to_owned(), "program".into())].into(),
        bios: Some(grub()),
        labels: None,
    }
}

#[test]
fn tools_find_nothing_to_complain_about() {
    let folder = tempfile::tempdir().unwrap();
    let (file, qcow2) = (folder.path().join("disk.raw"), folder.path().join("disk.qcow2"));
    let names = [file.to_str().unwrap(), qcow2.to_str().unwrap()];
    let disk = lay_out(&contents(), &plan(), folder.path());
    raw(&disk, &file);
    image::write(&disk, Format::Qcow2, &qcow2, &Report::default()).unwrap();
    let said = content("sgdisk", &["--verify", names[0]]);
    assert!(said.is_empty() || said.contains("No problems found"), "{said}");
    let said = content("sgdisk", &["--info=3", names[0]]);
    for wanted in
        ["4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "Partition name: 'root'", "Attribute flags: 8000000000000000"]
    {
        assert!(said.is_empty() || said.contains(wanted), "{said}");
    }
    content("qemu-img", &["check", names[1]]);
    content("qemu-img", &["compare", names[0], names[1]]);
    let listed = content("mdir", &["-/", "-b", "-i", &format!("{}@@3M", names[0]), "::"]);
    assert!(listed.is_empty() || listed.contains("EFI/BOOT/BOOTX64.EFI"), "{listed}");
    let root = folder.path().join("root");
    let bytes = fs_err::read(&file).unwrap();
    fs_err::write(&root, &bytes[67 << 20..]).unwrap();
    content("btrfs", &["check", "--check-data-csum", root.to_str().unwrap()]);
    assert_eq!((bytes[446], bytes[0x66]), (0x80, 0x90));
    assert_eq!(bytes[1 << 20..(1 << 20) + 100], grub().core[..100]);
}

#[test]
fn a_card_has_a_master_boot_record() {
    let mut plan = plan();
    plan.layout.table = Table::Mbr;
    plan.layout.partitions = vec![
        partition("firmware", PartitionKind::Fat, Some(64)),
        partition("config", PartitionKind::Fat, Some(16)),
        partition("root", PartitionKind::Root, None),
    ];
    plan.layout.partitions[0].mbr_type = Some(0x0c);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("card.raw");
    let disk = lay_out(&Contents { bios: None, ..contents() }, &plan, folder.path());
    raw(&disk, &file);
    if let Some((good, said)) = judge("sfdisk", &["--dump", file.to_str().unwrap()]) {
        assert!(good && said.contains("label: dos") && !said.contains("label-id: 0x00000000"), "{said}");
        assert!(said.contains("start=        2048, size=      131072, type=c, bootable"), "{said}");
        assert!(said.contains("start=      133120, size=       32768, type=c"), "{said}");
    }
    content("fsck.fat", &["-n", &loop_free(&file, 65 << 20, 16 << 20)]);
}

/// A part of an image as a file of its own.
fn loop_free(file: &std::path::Path, offset: usize, length: usize) -> String {
    let part = file.with_extension("part");
    fs_err::write(&part, &fs_err::read(file).unwrap()[offset..offset + length]).unwrap();
    part.to_str().unwrap().to_owned()
}

#[test]
fn the_size_is_the_virtual_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.layout.size = Some(Bytes::from_gib(20));
    let disk = lay_out(&contents(), &plan, folder.path());
    assert_eq!(disk.size, 20 << 30);
    assert_eq!(disk.extents.last().unwrap().end(), 20 << 30);
    plan.layout.size = Some(Bytes::from_mib(80));
    let error = super::super::lay_out(&contents(), &plan, folder.path(), &Report::default()).unwrap_err();
    assert!(matches!(error, Error::Root(_)), "{error:?}");
    plan.layout.size = Some(Bytes::from_mib(60));
    let error = super::super::lay_out(&contents(), &plan, folder.path(), &Report::default()).unwrap_err();
    assert!(matches!(error, Error::NoRoom { size: 0x3c0_0000, .. }), "{error:?}");
    assert!(error.hints()[0].contains("68 MiB"), "{:?}", error.hints());
}

#[test]
fn grub_for_bios_needs_its_partition() {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = plan();
    plan.layout.partitions.remove(0);
    let error = super::super::lay_out(&contents(), &plan, folder.path(), &Report::default()).unwrap_err();
    assert!(matches!(error, Error::Bios(_)), "{error:?}");
}

#[test]
fn threads_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let files: Vec<Vec<u8>> = [1, 2]
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let work = folder.path().join(threads.to_string());
            fs_err::create_dir(&work).unwrap();
            let file = work.join("disk.qcow2");
            pool.install(|| {
                let disk = lay_out(&contents(), &plan(), &work);
                image::write(&disk, Format::Qcow2, &file, &Report::default()).unwrap();
            });
            fs_err::read(&file).unwrap()
        })
        .into();
    assert!(files[0] == files[1]);
}
