//! Images for another processor, built here: by QEMU's user mode, with nothing registered on the host.

use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::{
    image::{BENCH, Bench, SECTOR, Who, all_well, cut, run, text},
    place::{Place, USER, is_all, skip, test_distribution},
    proved::RASPI3B,
};

/// What a Raspberry Pi 3 reads, in the order of its start (`microos-and-kiwi.md`, 6).
const FIRMWARE: [&str; 12] = [
    "/bootcode.bin",
    "/start.elf",
    "/fixup.dat",
    "/config.txt",
    "/extraconfig.txt",
    "/bcm2837-rpi-3-a-plus.dtb",
    "/bcm2837-rpi-3-b.dtb",
    "/bcm2837-rpi-3-b-plus.dtb",
    "/overlays/README.md",
    "/u-boot.bin",
    "/EFI/BOOT/bootaa64.efi",
    "/EFI/BOOT/grub.cfg",
];

/// The sandbox alone knows the emulator: the kernel of the host runs the programs of no other machine.
#[test]
fn programs_of_another_machine_run_in_the_sandbox_and_nowhere_else() {
    let Some(place) = Place::new() else { return };
    for user in ["root", USER] {
        place.run("", user, &["doctor"]).expect(0, &["ok  aarch64 programs  run by `/usr/bin/qemu-aarch64"]);
    }
    let registered = fs_err::read_dir("/proc/sys/fs/binfmt_misc").map_or(0, Iterator::count);
    assert!(registered == 0 || !Path::new("/proc/sys/fs/binfmt_misc/rowi-aarch64").exists());
    let nowhere = place.run("export PATH=/nonexistent", "root", &["doctor"]);
    nowhere.expect(0, &["NO  aarch64 programs", "hint: install the package `qemu-user-static`"]);
}

/// What is only tried with everything else.
fn all() -> Option<(&'static Bench, &'static str)> {
    foreign().filter(|_| is_all())
}

/// The bench, and where the test distribution for both architectures is: made once, by the first of the tests that run
/// at the same time.
fn foreign() -> Option<(&'static Bench, &'static str)> {
    static BOTH: LazyLock<Option<String>> = LazyLock::new(|| both(BENCH.as_ref()?));
    Some((BENCH.as_ref()?, BOTH.as_deref()?))
}

/// Makes it where every user can read it.
fn both(bench: &Bench) -> Option<String> {
    let from = test_distribution()?.with_file_name("aarch64");
    if !from.join("repodata/repomd.xml").exists() {
        return skip(&format!("there is no repository in `{}`", from.display()));
    }
    let both = bench.folder.join("both");
    let to = both.join("aarch64");
    fs_err::create_dir(&both).unwrap();
    run("cp", &["-r", "--reflink=auto", text(&from), text(&to)]);
    run("chmod", &["-R", "a+rX", text(&to)]);
    // This machine's, too: the tool root is of it.
    std::os::unix::fs::symlink(&bench.repository, both.join("x86_64")).unwrap();
    Some(format!("debian-rpm=dir:{}/{{arch}}", both.display()))
}

fn build(bench: &Bench, who: Who, repository: &str, what: &[&str]) -> Vec<PathBuf> {
    let args = ["build", "--quiet", "--distribution", "debian-rpm", "--arch", "aarch64", "--repo", repository];
    let built = bench.command(who, &[&args[..], what].concat()).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).unwrap().lines().map(PathBuf::from).collect()
}

/// Built as an ordinary user, booted by UEFI on QEMU's `virt`.
#[test]
fn kubic_for_aarch64_starts() {
    let Some((bench, repository)) = foreign() else { return };
    let what = ["--profile", "kubic", "--platform", "vm", "--format", "qcow2", "--output", "arm-kubic"];
    let image = build(bench, Who::User, repository, &what).remove(0);
    starts(bench, &image, "1200");
}

/// The image's own kernel comes to the login prompt, and every check holds.
fn starts(bench: &Bench, image: &Path, timeout: &str) {
    let args = ["boot", "--check", "--timeout", timeout, text(image)];
    let checked = bench.command(Who::Root, &args).output().unwrap();
    let table = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(checked.status.success(), "{table}{}", String::from_utf8_lossy(&checked.stderr));
    all_well(&table, &["login prompt", "root is read-only", "root is the default subvolume"]);
}

/// As an ordinary user; file by file, by other people's tools, and by booting it through U-Boot and GRUB. On CI where
/// what it depends on has changed.
#[test]
fn a_raspberry_pi_3_finds_its_files_and_starts() {
    if RASPI3B.is_current() && !is_all() {
        return;
    }
    let Some((bench, repository)) = foreign() else { return };
    let what = ["--profile", "kubic", "--platform", "raspberrypi3", "--format", "raw,raw.xz", "--output", "pi"];
    let results = build(bench, Who::User, repository, &what);
    let [raw, packed] = results.as_slice() else { panic!("{results:?}") };
    if is_all() {
        emulated_throughout(bench, repository, &what, raw);
    }
    let parts = partitions(raw);
    let kinds: Vec<&str> = parts.iter().map(|(.., kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["c", "c", "83"], "two FATs that the firmware knows, and the root");
    let part = raw.with_extension("part");
    for (first, count, kind) in &parts {
        cut(raw, &part, first * SECTOR, count * SECTOR);
        match kind.as_str() {
            "c" => run("fsck.fat", &["-n", text(&part)]),
            _ => run("btrfs", &["check", "--readonly", "--check-data-csum", text(&part)]),
        };
    }
    cut(raw, &part, parts[0].0 * SECTOR, parts[0].1 * SECTOR);
    let listed = run("mdir", &["-/", "-b", "-i", text(&part), "::"]);
    let info = run("minfo", &["-i", text(&part), "::"]);
    assert!(info.contains("FAT32"), "{info}");
    let free = run("mdir", &["-i", text(&part), "::"]);
    let free: String = free
        .lines()
        .rev()
        .find(|line| line.contains("bytes free"))
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    // Room to double the firmware.
    assert!(free.parse::<u64>().unwrap() > parts[0].1 * SECTOR / 2, "{free}");
    for file in FIRMWARE {
        assert!(listed.lines().any(|line| line.trim_start_matches("::") == file), "no {file} in:\n{listed}");
    }
    bench.command(Who::User, &["verify", text(raw)]).assert().success();
    flashed_by_its_map(raw, packed);
    starts(bench, packed, "2400");
    RASPI3B.keep();
}

/// Nothing of the builder's own programs is seen in what they made.
fn emulated_throughout(bench: &Bench, repository: &str, what: &[&str], native: &Path) {
    let what =
        [&what[..4], &["--format", "raw", "--output", "emulated", "--set", "native.packages=!reset []"]].concat();
    let emulated = build(bench, Who::Root, repository, &what).remove(0);
    run("cmp", &[text(&emulated), text(native)]);
    fs_err::remove_file(emulated).unwrap();
}

/// A flashing program that writes what the map names makes of a used card what is on the disk.
fn flashed_by_its_map(raw: &Path, packed: &Path) {
    let card = raw.with_extension("card");
    let size = fs_err::metadata(raw).unwrap().len();
    let used = format!("head -c {size} /dev/zero | tr '\\0' x > {}", text(&card));
    run("sh", &["-c", &used]);
    run("bmaptool", &["copy", text(packed), text(&card)]);
    let (from, part) = (raw.with_extension("part"), raw.with_extension("part2"));
    for (first, count, kind) in partitions(raw) {
        cut(&card, &part, first * SECTOR, count * SECTOR);
        if kind == "83" {
            run("btrfs", &["check", "--readonly", "--check-data-csum", text(&part)]);
        } else {
            cut(raw, &from, first * SECTOR, count * SECTOR);
            run("cmp", &[text(&from), text(&part)]);
        }
    }
    for file in [card, from, part] {
        fs_err::remove_file(file).unwrap();
    }
}

/// First sector, sectors and type of each partition of a master boot record.
fn partitions(image: &Path) -> Vec<(u64, u64, String)> {
    let dump: serde_json::Value = serde_json::from_str(&run("sfdisk", &["--json", text(image)])).unwrap();
    assert_eq!(dump["partitiontable"]["label"], "dos");
    let parts = dump["partitiontable"]["partitions"].as_array().unwrap();
    let number = |value: &serde_json::Value| value.as_u64().unwrap();
    parts
        .iter()
        .map(|it| (number(&it["start"]), number(&it["size"]), it["type"].as_str().unwrap().to_owned()))
        .collect()
}

/// The same bytes for root and for a user; updated and rolled back in the machine.
#[test]
fn a_container_host_for_aarch64_is_updated_and_rolled_back() {
    let Some((bench, repository)) = all() else { return };
    let what = |output| ["--profile", "container-host", "--platform", "vm", "--format", "qcow2", "--output", output];
    let image = build(bench, Who::Root, repository, &what("arm")).remove(0);
    let again = build(bench, Who::User, repository, &what("arm")).remove(0);
    run("cmp", &[text(&image), text(&again)]);
    let args = ["boot", "--check", "--update", "--rollback", "--timeout", "1800", text(&image)];
    let checked = bench.command(Who::Root, &args).output().unwrap();
    let (table, said) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{table}{said}");
    all_well(&table, &["rollback: the first snapshot is running again"]);
}
