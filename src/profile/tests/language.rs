//! Merging, conditions, `--set` and the other options.

use super::*;

fn with(text: &str) -> Profile {
    loaded(&Bench::new().profile(text)).profile
}

fn set(assignments: &[&str]) -> Choice {
    let set = assignments.iter().map(|text| (*text).to_owned()).collect();
    Choice { set, ..choice("microos", "vm", "opensuse-tumbleweed") }
}

#[test]
fn lists_add_maps_merge_scalars_replace() {
    let profile = with(
        "layout:\n  subvolumes:\n    - {path: /opt, remove: true}\n    - {path: /data, nodatacow: true}\n    - {path: /srv, nodatacow: true}\n\
         update: {reboot: {window: \"04:00\"}}\ntimezone: Europe/Berlin\n",
    );
    let paths: Vec<&str> = profile.layout.subvolumes.iter().map(|subvolume| subvolume.path.as_str()).collect();
    assert_eq!(paths, ["/home", "/root", "/srv", "/usr/local", "/boot/writable", "/var", "/data"]);
    assert!(profile.layout.subvolumes[2].nodatacow);
    let reboot = &profile.machine.update.reboot;
    assert_eq!((reboot.window.as_deref(), reboot.method), (Some("04:00"), Some(RebootMethod::Rebootmgr)));
    assert_eq!(profile.machine.timezone, "Europe/Berlin");
}

#[test]
fn a_machine_updates_from_where_it_is_told() {
    assert_eq!(with("timezone: UTC\n").machine.update.repositories, None);
    let own = with(
        "update: {repositories: [{alias: fleet, url: \"https://m.example.org/x/\", username: me, password: {secret: M}}]}\n",
    );
    let mirrors = own.machine.update.repositories.unwrap();
    let login = Login { username: "me".into(), password: Secret::Named("M".into()) };
    assert_eq!((mirrors.len(), mirrors[0].url.as_str(), mirrors[0].priority), (1, "https://m.example.org/x", 99));
    assert_eq!((mirrors[0].verify, &mirrors[0].login), (Verify::Repository, &Some(login)));
}

#[test]
fn reset_drops_what_was_inherited() {
    let profile = with(
        "layout: {subvolumes: !reset [{path: /var, nodatacow: true}]}\nfirst_boot: {sources: !reset [ignition]}\n",
    );
    assert_eq!(profile.layout.subvolumes.len(), 1);
    assert_eq!(profile.machine.first_boot.sources, ["ignition"]);
}

#[test]
fn only_decides_by_arch_platform_and_distribution() {
    let profile = with(
        "packages:\n  install:\n    - {name: a, only: {arch: [x86_64]}}\n    - {name: b, only: {arch: [aarch64]}}\n\
        \x20   - {name: c, only: {platform: [vm], distribution: [debian-rpm]}}\n    - {name: d, only: {platform: [vm]}}\n\
         services: {enable: [{name: x.service, only: {platform: [raspberrypi3]}}, z]}\n",
    );
    let own: Vec<&str> = profile
        .packages
        .install
        .iter()
        .filter(|request| request.role.is_none())
        .map(|request| request.what.as_str())
        .collect();
    assert_eq!(own, ["a", "d"]);
    assert_eq!(profile.machine.enable, ["z.service"]);
}

#[test]
fn exclude_drops_requests_and_forbid_stays() {
    let bench = Bench::new();
    bench.file(
        "p.yaml",
        "kind: profile\nname: p\nextends: [microos]\npackages: {install: [htop, tmux >= 3], forbid: [vim]}\n",
    );
    let path = bench.file(
        "t.yaml",
        "kind: profile\nname: t\nextends: [./p.yaml]\nselinux: off\npackages: {exclude: [tmux, openssl, selinux]}\n",
    );
    let profile = loaded(&choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed")).profile;
    let whats: Vec<&str> = profile.packages.install.iter().map(|request| request.what.as_str()).collect();
    assert!(whats.contains(&"htop"));
    for dropped in ["tmux >= 3", "openssl", "patterns-microos-selinux"] {
        assert!(!whats.contains(&dropped), "{dropped}");
    }
    assert_eq!(profile.packages.forbid[0].what, "vim");
}

#[test]
fn two_parents_in_order_and_each_once() {
    let bench = Bench::new();
    bench.file("a.yaml", "kind: profile\nname: a\nextends: [microos]\nkeymap: de\nkernel_arguments: [a]\n");
    bench.file(
        "b.yaml",
        "kind: profile\nname: b\nextends: [microos]\ntimezone: Asia/Tokyo\nkeymap: jp\nkernel_arguments: [b]\n",
    );
    let path =
        bench.file("t.yaml", "kind: profile\nname: t\nextends: [./a.yaml, ./b.yaml]\nkernel_arguments: [quiet]\n");
    let mut choice = choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed");
    choice.set = vec!["kernel_arguments=[debug]".into()];
    let profile = loaded(&choice).profile;
    assert_eq!((profile.machine.keymap.as_str(), profile.machine.timezone.as_str()), ("jp", "Asia/Tokyo"));
    let inherited = ["ignition.platform.id=qemu", "quiet", "systemd.show_status=yes"];
    let arguments = [&inherited[..], &["a", "b", "security=selinux", "selinux=1", "debug"]].concat();
    assert_eq!(profile.boot.arguments, arguments);
    let checks = profile.checks.iter().filter(|check| check.name == "no failed unit").count();
    assert_eq!(checks, 1);
}

#[test]
fn set_reaches_every_kind_of_file() {
    let loaded = loaded(&set(&[
        "hostname=web1",
        "disk.size=40G",
        "variables.mirror=https://mirror.example.org/suse",
        "selinux=permissive",
        "version=1.10",
        "first_boot.sources=!reset [ignition]",
    ]));
    let profile = &loaded.profile;
    assert_eq!(profile.machine.first_boot.sources, ["ignition"]);
    assert_eq!((profile.machine.hostname.as_str(), profile.version.as_deref()), ("web1", Some("1.10")));
    assert_eq!(profile.layout.size, Some(crate::units::Bytes::from_gib(40)));
    assert_eq!(profile.distribution.repositories[0].url, "https://mirror.example.org/suse/tumbleweed/repo/oss");
    let size = loaded.origins.explain("disk.size").expect("it is set");
    assert_eq!((size.value.as_str(), size.place.map(|place| place.file)), ("40G", Some("--set".into())));
    let replaced: Vec<&str> = size.replaced.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(replaced, ["auto", "20G"]);
    assert_eq!(size.replaced[1].0.as_ref().map(|place| place.file.clone()), Some("profiles/platforms/vm.yaml".into()));
}

#[test]
fn a_profile_may_change_its_platforms_disk() {
    let profile = with("disk: {size: 8G, partitions: [{name: esp, size: 256M}]}\nformats: !reset [raw.zst]\n");
    assert_eq!(profile.layout.size, Some(crate::units::Bytes::from_gib(8)));
    let esp = &profile.layout.partitions[1];
    assert_eq!((esp.size, esp.label.as_str()), (Some(crate::units::Bytes::from_mib(256)), "EFI"));
    assert_eq!(profile.formats, [Format::RawZst]);
}

#[test]
fn options_of_the_command_line() {
    let choice = Choice {
        formats: Some(vec![Format::Raw]),
        packages: vec!["htop".into()],
        repositories: vec!["mine=dir:./packages".into(), "repo-oss=https://mirror.example.org/oss/".into()],
        mirrors: vec!["https://cdn.opensuse.org=https://near.example.org/opensuse".into()],
        ..choice("microos", "vm", "opensuse-tumbleweed")
    };
    let loaded = loaded(&choice);
    let profile = &loaded.profile;
    assert_eq!(profile.formats, [Format::Raw]);
    let last = profile.packages.install.last().expect("requests");
    assert_eq!((last.what.as_str(), last.place.file.to_str()), ("htop", Some("--package")));
    let repositories = &profile.distribution.repositories;
    assert_eq!(repositories[0].url, "https://mirror.example.org/oss");
    let mine = repositories.last().expect("repositories");
    assert_eq!((mine.url.as_str(), mine.verify), ("dir:packages", Verify::Packages));
    let url = "https://cdn.opensuse.org/update/tumbleweed";
    assert_eq!(repositories[2].url, url, "a mirror is not recorded");
    assert_eq!(loaded.fetched_from().repositories[2].url, "https://near.example.org/opensuse/update/tumbleweed");
}

#[test]
fn a_snapshot_pins_repositories_that_keep_dates() {
    let profile = loaded(&set(&["variables.snapshot=20261120"])).profile;
    assert_eq!(
        profile.distribution.repositories[0].url,
        "https://download.opensuse.org/history/20261120/tumbleweed/repo/oss"
    );
    let arm = Choice { arch: Some(Arch::Aarch64), ..set(&["variables.snapshot=20261120"]) };
    let faults = told(&arm);
    assert!(faults[0].message.contains("keeps no dated states for aarch64"), "{faults:?}");
}

#[test]
fn origins_tell_what_differs_from_the_defaults() {
    let loaded = loaded(&choice("kubic", "vm", "opensuse-tumbleweed"));
    let all: Vec<Origin> = loaded.origins.iter().collect();
    let find = |key: &str| all.iter().find(|origin| origin.key == key);
    assert!(find("timezone").is_none(), "UTC is the default");
    assert!(find("layout.root").is_none());
    let window = find("update.reboot.window").expect("kubic sets it");
    let place = window.place.clone().expect("a line");
    assert_eq!((window.value.as_str(), place.file.to_str()), ("03:30", Some("profiles/kubic.yaml")));
    assert_eq!(window.replaced.len(), 1);
    assert!(find("disk.size").is_some() && find("traits.etc").is_some());
    assert!(loaded.origins.keys().contains(&"update.reboot.window".to_owned()));
}

#[test]
fn no_secret_is_in_what_explains() {
    let hash = "$6$salt$0123456789abcdef";
    let text = format!(
        "users: {{root: {{password_hash: \"{hash}\"}}}}\n\
         network: {{connections: [{{name: w, type: wifi, ssid: net, psk: \"open sesame\"}}]}}\n\
         registries: {{credentials: {{r.example: \"me:open sesame\", s.example: {{secret: REG}}}}}}\n"
    );
    let loaded = loaded(&Bench::new().profile(&text));
    let origins: Vec<String> = loaded.origins.iter().map(|origin| format!("{origin:?}")).collect();
    let shown = format!("{origins:?}{:?}{:?}{:?}", loaded.warnings, loaded.profile.notes, loaded.profile.carried);
    assert!(!shown.contains("sesame") && !shown.contains("0123456789abcdef"), "{shown}");
    assert!(shown.contains("secret:REG"));
    assert_eq!(loaded.warnings.iter().filter(|warning| warning.contains("is written out in the file")).count(), 3);
}

#[test]
fn a_distributions_folder_is_relative_to_its_file() {
    let bench = Bench::new();
    let path = bench.file(
        "d/own.yaml",
        "kind: distribution\nname: own\nvariables: {where: dir:../packages}\n\
         repositories: [{alias: a, url: \"${where}/a\"}]\nkeys: [{fingerprint: AD485664E901B867051AB15F35A2F86E29B700A4, fetch: own.asc}]\n\
         roles: {base: [x], kernel: {x86_64: [k]}, selinux: {absent: none}, first_boot: {absent: none}, guest.vm: [],\n\
        \x20       bootloader.grub2-efi: [g], bootloader.grub2-bios: [g]}\n",
    );
    bench.file("d/own.asc", "key");
    let loaded = loaded(&choice("microos", "vm", path.to_str().expect("UTF-8")));
    let repository = &loaded.profile.distribution.repositories[0];
    let expected =
        format!("dir:{}", path.parent().and_then(Path::parent).expect("parents").join("packages/a").display());
    assert_eq!((repository.url.as_str(), repository.verify), (expected.as_str(), Verify::Packages));
    assert_eq!(loaded.keys, [b"key".to_vec()]);
}
