//! Images are updated and rolled back by their own tools, in the machine; what goes wrong on the way does no harm.

mod console;
mod replay;

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use crate::{
    containers,
    image::{BENCH, Bench, Images, KUBIC, Who, all_well, run, text},
    place::is_all,
};
use console::Console;

/// What is only tried with everything else.
fn all() -> Option<&'static Bench> {
    BENCH.as_ref().filter(|_| is_all())
}

/// Boots, updates, boots, rolls back and boots again.
fn updated_and_rolled_back(bench: &Bench, images: &Images, firmware: &str) -> String {
    let table = bench.boot_check(images, &["--update", "--rollback", "--firmware", firmware]);
    let told = [
        "boot: the update installs it in a new snapshot",
        "boot: the running system is untouched",
        "update: root is the default subvolume",
        "update: packages are those of the list",
        "update: /etc has what changed after the update",
        "rollback: the first snapshot is running again",
        "rollback: packages are those of the list",
    ];
    all_well(&table, &told);
    table
}

/// With a container of an image that came with it, before, between and after.
#[test]
fn kubic_by_uefi() {
    let Some(bench) = BENCH.as_ref() else { return };
    let kubic = containers::image(bench, "node", "kubic", containers::CONTAINERD, &[]);
    let table = updated_and_rolled_back(bench, &kubic, "uefi");
    all_well(&table, &[containers::PULLED]);
}

#[test]
fn kubic_by_bios() {
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    updated_and_rolled_back(bench, kubic, "bios");
}

#[test]
fn microos_by_bios_and_by_uefi() {
    let Some(bench) = all() else { return };
    let microos = bench.image("microos", "microos", &[]);
    updated_and_rolled_back(bench, &microos, "bios");
    updated_and_rolled_back(bench, &microos, "uefi");
}

#[test]
fn etc_may_be_a_layer_over_the_snapshots_own_or_a_part_of_it() {
    let Some(bench) = all() else { return };
    for etc in ["overlay", "plain"] {
        let images = bench.image("microos", etc, &["--set", &format!("layout.etc={etc}")]);
        updated_and_rolled_back(bench, &images, "uefi");
    }
}

#[test]
fn systemd_boot_starts_the_snapshot_that_is_the_default() {
    let Some(bench) = all() else { return };
    let images = bench.image("microos", "systemd-boot", &["--platform", "vm-systemd-boot"]);
    updated_and_rolled_back(bench, &images, "uefi");
    // The newest snapshot comes first, and the one before it is one further down.
    older_is_chosen(bench, &images, &[("Debian", "j\r")]);
}

#[test]
fn grub_starts_the_snapshot_that_is_chosen() {
    let Some(bench) = all() else { return };
    let images = bench.image("microos", "grub", &[]);
    // Ctrl-N: one down. GRUB lists the folder as btrfs keeps it, by its names' hashes: 2 comes before 1.
    older_is_chosen(bench, &images, &[("Snapshots", "\x0e\r"), ("Snapshot 1", "\x0e\r")]);
}

/// The machine is updated and keeps it; a person who waits for a text in the boot menu and presses keys gets snapshot 1.
fn older_is_chosen(bench: &Bench, images: &Images, keys: &[(&str, &str)]) {
    let disk = &images.raw;
    let kept = ["boot", "--check", "--update", "--persist", "--firmware", "uefi", text(disk)];
    let updated = bench.command(Who::Root, &kept).output().unwrap();
    assert!(updated.status.success(), "{updated:?}");
    let mut console = Console::start(bench, &["boot", "--quiet", "--firmware", "uefi", text(disk)]);
    for (shown, keys) in keys {
        console.expect(shown);
        console.press(keys);
    }
    console.expect("login:");
    console.expect("~#");
    console.press("findmnt -no FSROOT / | tr / :; rpm -q rowi-check\r");
    console.expect(":@:.snapshots:1:snapshot");
    console.expect("rowi-check is not installed");
}

/// The distribution's other kernel takes the place of the first in a snapshot; what runs says which it is.
const KERNELS: &str = r#"
kind: profile
name: kernels
extends: [kubic]
checks:
  - {name: the first kernel runs, after: boot, run: "uname -r | grep cloud"}
  - {name: the other kernel runs, after: update, run: "! uname -r | grep cloud"}
  - {name: the first kernel runs again, after: rollback, run: "uname -r | grep cloud"}
"#;

#[test]
fn a_kernel_that_an_update_brings_is_booted_and_left() {
    let Some(bench) = all() else { return };
    for platform in ["vm", "vm-systemd-boot"] {
        another_kernel(bench, platform);
    }
}

fn another_kernel(bench: &Bench, platform: &str) {
    let images = image_with(bench, "kernels", KERNELS, &["--platform", platform]);
    let offer = bench.folder.join("kernels/offer");
    fs_err::create_dir_all(&offer).unwrap();
    let is_kernel = |name: &str| name.starts_with("linux-image-") && !name.contains("cloud");
    let mut names = Vec::new();
    for package in packages(&bench.repository.join("x86_64")).filter(|path| is_kernel(file_name(path))) {
        names.push(run("rpm", &["-qp", "--nosignature", "--qf", "%{NAME}", text(&package)]));
        fs_err::copy(&package, offer.join(file_name(&package))).unwrap();
    }
    assert_eq!(names.len(), 2, "the kernel and the package that asks for it: {names:?}");
    let listed = fs_err::read_to_string(images.raw.with_extension("packages")).unwrap();
    let old =
        listed.lines().filter(|nvra| nvra.starts_with("linux-image-")).filter_map(|nvra| nvra.rsplitn(3, '-').nth(2));
    names.extend(old.map(|name| format!("-{name}")));
    assert_eq!(names.len(), 4, "{names:?}");
    let mut how = vec!["--update", "--rollback", "--firmware", "uefi", "--timeout", "3600", "--offer", text(&offer)];
    names.iter().for_each(|name| how.extend(["--install", name]));
    let table = bench.boot_check(&images, &how);
    assert!(table.contains("update: the other kernel runs") && table.contains("rollback: the first kernel runs again"));
}

/// What goes wrong in a transaction leaves the machine as it is. The packages are in the image, on the first disk.
const FAULTS: &str = r#"
kind: profile
name: faults
extends: [microos]
overlays: [repository]
users: {root: {password: locked}}
checks:
  - name: the offer is there
    run: rm -f /etc/zypp/repos.d/* && zypper -n addrepo --no-gpgcheck dir:/srv/repository test && snapper --no-dbus --csvout list --columns number,default > /run/before
  - name: a failing script changes nothing
    run: "! rowi-update pkg install rowi-fails && snapper --no-dbus --csvout list --columns number,default | diff /run/before - && rowi-update status | grep 'default: 1,'"
  - name: a full disk changes nothing
    run: "fallocate -l 18G /var/tmp/full; dd if=/dev/zero of=/var/tmp/rest bs=1M; ! rowi-update pkg install rowi-large; code=$?; rm -f /var/tmp/full /var/tmp/rest; sync; [ $code = 0 ] && snapper --no-dbus --csvout list --columns number,default | diff /run/before - && rowi-update status | grep 'default: 1,'"
  - name: nothing to do is no snapshot
    run: "rowi-update --kured up && snapper --no-dbus --csvout list --columns number,default | diff /run/before - && [ ! -e /run/reboot-required ]"
  - name: a second update goes on from the first
    run: "rowi-update pkg install rowi-one && rowi-update --continue pkg install rowi-two && n=$(rowi-update status | grep -o 'default: [0-9]*' | tr -dc 0-9) && rpm --root /.snapshots/$n/snapshot -q rowi-one rowi-two && ! rpm -q rowi-one && [ $(cat /.snapshots/$n/etc.parent) = 1 ]"
  - name: another starts from what runs
    run: "rowi-update --kured pkg install rowi-two && [ -e /run/reboot-required ] && n=$(rowi-update status | grep -o 'default: [0-9]*' | tr -dc 0-9) && rpm --root /.snapshots/$n/snapshot -q rowi-two && ! rpm --root /.snapshots/$n/snapshot -q rowi-one"
  - name: update
    run: "rowi-update pkg install rowi-verb=1 && rowi-update --continue pkg update rowi-verb && SECOND"
  - name: up
    run: "rowi-update pkg install rowi-verb=1 && rowi-update --continue up && SECOND"
  - name: dup
    run: "rowi-update pkg install rowi-verb=1 && rowi-update --continue dup && SECOND"
  - name: patch
    run: "rowi-update pkg install rowi-verb=1 && rowi-update --continue patch && SECOND"
  - name: remove
    run: "rowi-update pkg install rowi-verb && SECOND && rowi-update --continue pkg remove rowi-verb && ! ( SECOND )"
  - name: a shell changes the snapshot
    run: "rowi-update shell -c 'touch /usr/made-in-a-shell' && n=$(rowi-update status | grep -o 'default: [0-9]*' | tr -dc 0-9) && [ -e /.snapshots/$n/snapshot/usr/made-in-a-shell ] && [ ! -e /usr/made-in-a-shell ]"
  - name: what nobody needs is deleted with its /etc
    run: "rowi-update rollback 1 && for n in $(snapper --no-dbus --csvout list --columns number | grep -x '[0-9]*' | grep -vx '[01]'); do snapper --no-dbus delete $n || exit 1; done; [ \"$(ls /.snapshots)\" = 1 ]"
"#;

/// The package of the next start's snapshot is the second one.
const SECOND: &str = "rpm --root /.snapshots/$(rowi-update status | grep -o 'default: [0-9]*' | tr -dc 0-9)/snapshot -q rowi-verb | grep -x rowi-verb-2-1.noarch";

/// A notice that names the second one.
const NOTICE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<updates><update from="rowi" status="stable" type="security" version="1"><id>rowi-1</id><title>A test</title>
<issued date="2026-01-01 00:00:00"/><description>A test.</description><pkglist><collection>
<package name="rowi-verb" epoch="0" version="2" release="1" arch="noarch"><filename>rowi-verb-2.rpm</filename></package>
</collection></pkglist></update></updates>
"#;

#[test]
fn what_goes_wrong_leaves_the_machine_as_it_is() {
    let Some(bench) = all() else { return };
    let repository = bench.folder.join("faults/overlays/repository/srv/repository");
    for (name, script) in [
        ("rowi-one", ""),
        ("rowi-two", ""),
        ("rowi-fails", "%post\nexit 1\n"),
        ("rowi-large", "%pre\nhead -c 3000M /dev/urandom > /usr/lib/rowi-large\n"),
    ] {
        package(&repository, name, script, "");
    }
    [1, 2].iter().for_each(|number| version(&repository, "rowi-verb", *number, "", ""));
    run("createrepo_c", &["--quiet", text(&repository)]);
    let notice = bench.folder.join("updateinfo.xml");
    fs_err::write(&notice, NOTICE).unwrap();
    run("modifyrepo_c", &[text(&notice), text(&repository.join("repodata"))]);
    let images = image_of(bench, "faults", &FAULTS.replace("SECOND", SECOND));
    let table = bench.boot_check(&images, &["--firmware", "uefi", "--timeout", "3600"]);
    assert!(table.contains("a full disk changes nothing") && table.contains("patch"), "{table}");
}

/// An update that breaks a unit is left by the machine itself.
#[test]
fn a_broken_update_is_left() {
    let (Some(bench), Some(kubic)) = (all(), &*KUBIC) else { return };
    let offer = bench.folder.join("broken-offer");
    let unit = "[Service]\nType=oneshot\nExecStart=/bin/false\n";
    let install = format!(
        "%install\nat=%{{buildroot}}/usr/lib/systemd/system\nmkdir -p $at/multi-user.target.wants\nprintf '{}' > $at/broken.service\n\
         ln -s ../broken.service $at/multi-user.target.wants\n",
        unit.replace('\n', "\\n")
    );
    let files =
        "/usr/lib/systemd/system/broken.service\n/usr/lib/systemd/system/multi-user.target.wants/broken.service\n";
    package(&offer, "rowi-broken", &install, files);
    let how = ["--update", "--broken", "--firmware", "uefi", "--offer", text(&offer), "--install", "rowi-broken"];
    let table = bench.boot_check(kubic, &how);
    assert!(table.contains("rollback: the first snapshot is running again"), "{table}");
}

/// Nobody touches it: the clock passes the time of the update, and the machine starts anew when it is done.
const CLOCK: &str = r#"
kind: profile
name: clock
extends: [microos]
overlays: [repository]
packages: {install: [rowi-clock]}
update:
  {method: dup, schedule: "*-*-* 03:30:00", random_delay: 0s, reboot: {method: systemd},
   repositories: [{alias: own, url: "dir:/srv/repository", verify: checksums}]}
users: {root: {password: locked}}
checks:
  - name: the machine updated itself
    run: "rpm -q rowi-clock && rpm -q rowi-clock | grep -x rowi-clock-2-1.noarch && ! findmnt -no FSROOT / | grep -x /@/.snapshots/1/snapshot"
"#;

#[test]
fn the_timer_updates_the_machine_and_starts_it_anew() {
    let Some(bench) = all() else { return };
    let folder = bench.folder.join("clock");
    for (at, number) in [(folder.join("offer"), 1), (folder.join("overlays/repository/srv/repository"), 2)] {
        version(&at, "rowi-clock", number, "", "");
        run("createrepo_c", &["--quiet", text(&at)]);
    }
    let address = format!("clock=dir:{}", folder.join("offer").display());
    let images = image_with(bench, "clock", CLOCK, &["--repo", &address, "--no-signatures"]);
    let disk = bench.copy(&images, "clock.raw");
    let mut console = Console::start(bench, &["boot", "--quiet", "--persist", "--firmware", "uefi", text(&disk)]);
    console.expect("~#");
    console.press("rpm -q rowi-clock; timedatectl set-ntp false; date -s \"$(date -d tomorrow +%F) 03:29:50\"\r");
    console.expect("rowi-clock-1-1.noarch");
    console.ended();
    let checked = bench.command(Who::Root, &["boot", "--check", "--firmware", "uefi", text(&disk)]).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
}

/// Holds for the machine as it was, and for the machine as the whole update left it.
const CUTS: &str = r#"
kind: profile
name: cuts
extends: [microos]
users: {root: {password: locked}}
checks:
  - name: old or new, and whole
    run: "case $(findmnt -no FSROOT /) in /@/.snapshots/1/snapshot) ! rpm -q rowi-check && [ ! -e /usr/share/rowi-check ] ;; *) rpm -V rowi-check ;; esac && rpm -Va --nofiles && rpmdb --verifydb"
  - name: the next start is of the default
    run: "n=$(btrfs subvolume get-default / | sed 's#.*@/.snapshots/##; s#/.*##') && grep -x rowi_snapshot=$n /boot/efi/EFI/rowi/grubenv"
"#;

/// The writes of an update, replayed up to a moment at which the power goes: what was flushed is there, of the rest some.
#[test]
fn a_machine_that_loses_its_power_is_the_old_or_the_new() {
    const CUTS_MADE: u64 = 20;
    let Some(bench) = all() else { return };
    let images = image_of(bench, "cuts", CUTS);
    let record = bench.folder.join("cuts/writes");
    bench.boot_check(&images, &["--update", "--firmware", "uefi", "--record", text(&record)]);
    let log = replay::Log::open(&record);
    let (mut old, mut new) = (0, 0);
    for cut in 0..CUTS_MADE {
        let disk = bench.copy(&images, "cut.raw");
        let told = log.replay(cut, &disk);
        let outcome = bench.checked_after(&disk);
        assert!(outcome.is_ok(), "cut {cut} ({told}): {}", outcome.unwrap_err());
        if outcome.unwrap() { new += 1 } else { old += 1 }
    }
    assert!(old > 0 && new > 0, "{old} old and {new} new: the cuts are not spread over the update");
}

/// QEMU is killed while the machine updates itself: the disk keeps what it was given.
#[test]
fn a_machine_that_is_killed_is_the_old_or_the_new() {
    let Some(bench) = all() else { return };
    let images = image_of(bench, "killed", &CUTS.replace("name: cuts", "name: killed"));
    for seconds in [20, 27, 34, 41, 48] {
        let disk = bench.copy(&images, "killed.raw");
        let args =
            ["boot", "--check", "--update", "--persist", "--progress", "plain", "--firmware", "uefi", text(&disk)];
        let mut machine = bench.process(Who::Root, &args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(machine.stderr.take().unwrap()).lines().map(Result::unwrap);
        assert!(said.into_iter().any(|line| line.contains("login prompt after")), "it did not start");
        std::thread::sleep(Duration::from_secs(seconds));
        run("pkill", &["-KILL", "-f", &format!("^qemu-system.*{}", text(&disk))]);
        assert!(!machine.wait().unwrap().success(), "it was killed after {seconds} s and had ended before");
        let outcome = bench.checked_after(&disk);
        assert!(outcome.is_ok(), "killed after {seconds} s: {}", outcome.unwrap_err());
    }
}

/// The disk is larger than the image when the machine starts for the first time.
const GROWN: &str = r#"
kind: profile
name: grown
extends: [microos]
users: {root: {password: locked}}
update: {repositories: [{alias: fleet, url: "https://mirror.example.org/x", username: me, password: {secret: MIRROR}}]}
checks:
  - {name: updates come from the fleet's mirror, run: "zypper lr -u | tee /dev/stderr | grep 'mirror.example.org/x?credentials=fleet' && [ $(zypper -x lr | grep -c 'enabled=.1') = 1 ] && stat -c %a:%U /etc/zypp/credentials.d/fleet | grep 600:root && grep -x password=UTC /etc/zypp/credentials.d/fleet"}
  - {name: the file system has the whole disk, run: "size=$(btrfs filesystem usage -b / | sed -n 's/.*Device size: *//p') && echo $size && [ $size -gt 10500000000 ]"}
"#;

#[test]
fn a_disk_that_grew_is_used() {
    let Some(bench) = all() else { return };
    // A variable that every command of root's has.
    let images = image_with(bench, "grown", GROWN, &["--set", "disk.size=4G", "--secret", "MIRROR=env:TZ"]);
    run("qemu-img", &["resize", "-q", text(images.qcow2()), "10G"]);
    let table = bench.boot_check(&images, &["--firmware", "uefi"]);
    assert!(table.contains("the file system has the whole disk"), "{table}");
}

/// An image of a profile's text; overlays lie beside it.
fn image_of(bench: &Bench, name: &str, profile: &str) -> Images {
    image_with(bench, name, profile, &[])
}

fn image_with(bench: &Bench, name: &str, profile: &str, how: &[&str]) -> Images {
    let folder = bench.folder.join(name);
    fs_err::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{name}.yaml"));
    fs_err::write(&file, profile).unwrap();
    bench.image(text(&file), &format!("{name}/out"), how)
}

/// Builds a package in a folder.
pub(crate) fn package(folder: &Path, name: &str, sections: &str, files: &str) {
    version(folder, name, 1, sections, files);
}

fn version(folder: &Path, name: &str, version: u32, sections: &str, files: &str) {
    let holder = tempfile::tempdir().unwrap();
    let spec = holder.path().join("package.spec");
    let head = "Release: 1\nSummary: For a test\nLicense: MIT\nBuildArch: noarch\n%description\nFor a test.\n";
    fs_err::write(&spec, format!("Name: {name}\nVersion: {version}\n{head}{sections}%files\n{files}")).unwrap();
    let [top, out] =
        [("_topdir", holder.path()), ("_rpmdir", folder)].map(|(name, at)| format!("{name} {}", at.display()));
    run(
        "rpmbuild",
        &[
            "-bb",
            "--quiet",
            "--define",
            &top,
            "--define",
            &out,
            "--define",
            "_build_name_fmt %%{NAME}-%%{VERSION}.rpm",
            text(&spec),
        ],
    );
}

fn packages(folder: &Path) -> impl Iterator<Item = PathBuf> {
    fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}
