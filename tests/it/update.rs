//! Images are updated and rolled back by their own tools, in the machine.

use crate::{
    image::{BENCH, Bench, Images, KUBIC},
    place::is_all,
};

/// Boots, updates, boots, rolls back and boots again.
fn updated_and_rolled_back(bench: &Bench, images: &Images, firmware: &str) {
    let table = bench.boot_check(images, &["--update", "--rollback", "--firmware", firmware]);
    for told in [
        "boot: the update installs it in a new snapshot",
        "boot: the running system is untouched",
        "update: root is the default subvolume",
        "update: packages are those of the list",
        "update: /etc has what changed after the update",
        "rollback: the first snapshot is running again",
        "rollback: packages are those of the list",
    ] {
        assert!(table.lines().any(|line| line.contains(told) && line.contains(" ok ")), "{told}: {table}");
    }
}

#[test]
fn kubic_by_uefi() {
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    updated_and_rolled_back(bench, kubic, "uefi");
}

#[test]
fn microos_and_kubic_by_bios_and_microos_by_uefi() {
    if !is_all() {
        return;
    }
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    updated_and_rolled_back(bench, kubic, "bios");
    let microos = bench.image("microos", "microos", &[]);
    updated_and_rolled_back(bench, &microos, "bios");
    updated_and_rolled_back(bench, &microos, "uefi");
}
