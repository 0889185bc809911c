//! Firmware with Microsoft's keys starts an image, and refuses one whose boot loader was changed by a byte.

use std::os::unix::fs::FileExt;

use crate::{
    image::{BENCH, KUBIC, SECTOR, Who, cut, partitions, text},
    place::is_all,
};

#[test]
fn firmware_with_microsofts_keys_starts_what_is_signed() {
    const TOLD: &[u8] = b"GNU GRUB  version";
    let (Some(bench), Some(kubic), true) = (&*BENCH, &*KUBIC, is_all()) else { return };
    let table = bench.boot_check(kubic, &["--firmware", "secure-boot"]);
    assert!(table.lines().any(|line| line.contains("Secure Boot is on") && line.contains(" ok ")), "{table}");

    let disk = bench.copy(kubic, "changed.raw");
    let esp = partitions(&disk).into_iter().find(|(.., code)| code == "EF00").unwrap();
    let part = disk.with_extension("part");
    cut(&disk, &part, esp.1 * SECTOR, (esp.2 - esp.1 + 1) * SECTOR);
    let bytes = fs_err::read(&part).unwrap();
    let at = bytes.windows(TOLD.len()).position(|it| it == TOLD).expect("GRUB says something");
    let file = fs_err::OpenOptions::new().write(true).open(&disk).unwrap();
    file.file().write_all_at(b"g", esp.1 * SECTOR + at as u64).unwrap();
    let boot = |firmware| {
        let args = ["boot", "--check", "--firmware", firmware, "--timeout", "300", text(&disk)];
        bench.command(Who::Root, &args).output().unwrap()
    };
    let refused = boot("secure-boot");
    assert_eq!(refused.status.code(), Some(5), "{refused:?}");
    let console = fs_err::read(disk.with_extension("secure-boot.console.log")).unwrap();
    let console = String::from_utf8_lossy(&console);
    assert!(console.contains("Security Violation") && !console.contains("login:"), "{console}");
    // It is the signature that is wrong, and nothing else.
    assert!(boot("uefi").status.success());
}
