//! FAT, as dosfstools and mtools see it.

use std::collections::BTreeMap;

use super::{content, raw};
use crate::{disk::fat::Volume, tree::Content, units::Epoch};

fn files() -> BTreeMap<String, Content> {
    let mut files = BTreeMap::new();
    let big: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 7) as u8).collect();
    files.insert("EFI/BOOT/BOOTX64.EFI".into(), Content::from(big));
    files.insert("EFI/debian/grub.cfg".into(), "search".into());
    files.insert("bcm2710-rpi-3-b-plus.dtb".into(), "plus".into());
    files.insert("bcm2710-rpi-3-b.dtb".into(), "b".into());
    for number in 0..40 {
        files.insert(format!("overlays/overlay number {number}.dtbo"), format!("{number}").as_str().into());
    }
    files.insert("empty".into(), "".into());
    files
}

fn volume(mebibytes: u64) -> Volume<'static> {
    Volume { size: mebibytes << 20, offset: 3 << 20, label: "efi", serial: 0xABCD_1234, epoch: Epoch(1_700_000_001) }
}

#[test]
fn every_size_is_sound_and_holds_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("fat");
    let image_name = image.to_str().unwrap();
    for (size, kind) in [(8, 16), (16, 16), (32, 16), (33, 32), (34, 32), (64, 32), (128, 32), (300, 32)] {
        let disk = volume(size).lay_out(&files()).unwrap();
        raw(&disk, &image);
        let said = content("fsck.fat", &["-n", "-v", image_name]);
        assert!(said.is_empty() || said.contains(&format!("FATs, {kind} bit entries")), "{size} MiB: {said}");
        assert!(said.is_empty() || said.contains("6144 hidden sectors"), "{said}");
        for wrong in ["ncorrect", "iffer", "ninitialized", "irty"] {
            assert!(!said.contains(wrong), "{size} MiB: {said}");
        }
        let listed = content("mdir", &["-i", image_name, "-/", "::"]);
        for wanted in ["ABCD-1234", "Volume in drive : is EFI", "bcm2710-rpi-3-b-plus.dtb", "2023-11-14  22:13"] {
            assert!(listed.is_empty() || listed.contains(wanted), "{wanted}: {listed}");
        }
        for (name, text) in [("bcm2710-rpi-3-b-plus.dtb", "plus"), ("overlays/overlay number 39.dtbo", "39")] {
            let read = content("mtype", &["-i", image_name, &format!("::{name}")]);
            assert!(said.is_empty() || read == text, "{name}: {read}");
        }
        let back = folder.path().join("back");
        content("mcopy", &["-n", "-o", "-i", image_name, "::EFI/BOOT/BOOTX64.EFI", back.to_str().unwrap()]);
        let wanted = files()["EFI/BOOT/BOOTX64.EFI"].read().unwrap();
        assert!(said.is_empty() || fs_err::read(&back).unwrap() == wanted);
        assert!(disk.extents.windows(2).all(|pair| pair[0].end() <= pair[1].offset));
    }
}

#[test]
fn aliases_are_told_apart() {
    let names = ["a long name", "a long-name", "A_LONG~1", ".hidden", "x.tar.gz", "ünî.dtb"];
    let files: BTreeMap<String, Content> = names.map(|name| (name.to_owned(), name.into())).into();
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("fat");
    raw(&volume(34).lay_out(&files).unwrap(), &image);
    content("fsck.fat", &["-n", image.to_str().unwrap()]);
    let listed = content("mdir", &["-i", image.to_str().unwrap(), "::"]);
    for wanted in ["A_LONG~1 ", "ALONGN~1 ", "ALONG-~1 ", "HIDDEN~1 ", "XTAR~1   GZ", "_N_~1    DTB"] {
        assert!(listed.is_empty() || listed.contains(wanted), "{wanted}: {listed}");
    }
}

#[test]
fn the_same_files_give_the_same_bytes() {
    assert_eq!(volume(64).lay_out(&files()).unwrap(), volume(64).lay_out(&files()).unwrap());
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut files = BTreeMap::from([("a".to_owned(), Content::from(vec![1; 9 << 20]))]);
    let error = volume(8).lay_out(&files).unwrap_err();
    assert!(error.to_string().contains("cannot write `a`"), "{error}");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    files.insert("A".into(), "x".into());
    assert!(volume(64).lay_out(&files).unwrap_err().to_string().contains("there twice"));
    assert!(volume(1).lay_out(&BTreeMap::new()).is_err());
    let mut labelled = volume(64);
    labelled.label = "longer than eleven";
    assert!(labelled.lay_out(&BTreeMap::new()).is_err());
    let bad = BTreeMap::from([("a?b".to_owned(), Content::from("x"))]);
    assert!(volume(64).lay_out(&bad).is_err());
}
