//! The files that come with rowi.

use super::*;

#[test]
fn kubic_from_the_test_distribution() {
    let loaded = loaded(&choice("kubic", "vm", "debian-rpm"));
    let profile = &loaded.profile;
    let whats: Vec<&str> = profile.packages.install.iter().map(|request| request.what.as_str()).collect();
    for what in
        ["debian-essential", "linux-image-cloud-amd64", "containerd", "kubernetes-client", "grub-pc-bin", "shim-signed"]
    {
        assert!(whats.contains(&what), "{what} in {whats:?}");
    }
    let kubectl = profile.packages.install.iter().find(|request| request.what == "kubernetes-client");
    let kubectl = kubectl.map(|request| (request.role.as_deref(), request.place.file.to_str()));
    assert_eq!(kubectl, Some((Some("kubernetes.client"), Some("profiles/kubic.yaml"))));
    assert_eq!(profile.machine.container.runtimes, [Runtime::Containerd]);
    assert_eq!((profile.layout.partitions.len(), profile.layout.etc), (3, EtcMode::Subvolume));
    assert_eq!(profile.boot.consoles, ["ttyS0,115200", "tty0"]);
    assert_eq!(profile.boot.loaders, [Loader::Grub2Efi, Loader::Grub2Bios]);
    assert_eq!(profile.distribution.repositories[0].url, "dir:target/debian-rpm/x86_64");
    assert_eq!(profile.machine.first_boot.sources, ["credentials"]);
    let note = |start: &str| profile.notes.iter().any(|note| note.starts_with(start));
    assert!(note("`kubernetes.node`: not in debian-rpm"), "{:?}", profile.notes);
    assert!(note("`preload: control-plane`: no kubeadm"), "{:?}", profile.notes);
    assert!(profile.distribution.absent.contains_key("kubernetes.node"));
    assert!(loaded.warnings.iter().any(|warning| warning.starts_with("`first_boot` is left out")));
}

/// Where a shipped profile cannot be had: profile, platform, distribution.
const NOWHERE: [(&str, &str, &str); 2] =
    [("desktop", "raspberrypi3", "debian-rpm"), ("desktop", "raspberrypi3", "opensuse-tumbleweed")];

#[test]
fn everything_shipped_fits_together() {
    let profiles: Vec<String> = builtin::names(Kind::Profile).collect();
    assert_eq!(profiles.len(), 12, "{profiles:?}");
    let places = ["opensuse-tumbleweed", "debian-rpm"]
        .map(|distribution| [("vm", distribution), ("raspberrypi3", distribution)]);
    let everywhere =
        profiles.iter().flat_map(|profile| places.as_flattened().iter().map(move |place| (profile, *place)));
    for (profile, (platform, distribution)) in everywhere {
        let choice = choice(profile, platform, distribution);
        if NOWHERE.contains(&(profile.as_str(), platform, distribution)) {
            let faults = load(&choice).expect_err("its role is absent").diagnostics();
            assert!(faults[0].message.contains("has no packages"), "{profile} {platform} {distribution}: {faults:?}");
            continue;
        }
        let loaded = loaded(&choice);
        let expected = if platform == "vm" { Arch::X86_64 } else { Arch::Aarch64 };
        assert_eq!(loaded.profile.arch, expected, "{profile} {platform} {distribution}");
        assert!(!loaded.profile.packages.install.is_empty() && !loaded.profile.checks.is_empty());
    }
    let arm = Choice { arch: Some(Arch::Aarch64), ..choice("kubic", "vm", "opensuse-tumbleweed") };
    let arm = loaded(&arm).profile;
    assert_eq!(
        (arm.boot.loaders, arm.boot.consoles),
        (vec![Loader::Grub2Efi], vec!["ttyAMA0,115200".into(), "tty0".into()])
    );
    assert_eq!((arm.emulate.machine.as_str(), arm.layout.partitions.len()), ("virt", 2));
    let oss = &arm.distribution.repositories[0];
    assert_eq!(oss.url, "https://cdn.opensuse.org/ports/aarch64/tumbleweed/repo/oss");
}

#[test]
fn kubic_from_opensuse_is_a_node() {
    let profile = loaded(&choice("kubic", "vm", "opensuse-tumbleweed")).profile;
    let by_role = |role: &str| -> Vec<&str> {
        let of = profile.packages.install.iter().filter(|request| request.role.as_deref() == Some(role));
        of.map(|request| request.what.as_str()).collect()
    };
    assert_eq!(by_role("kubernetes.node")[0], "kubernetes1.33-kubeadm");
    assert_eq!(by_role("container.cri-o"), ["cri-o", "cri-o-kubeadm-criconfig"]);
    assert_eq!(profile.packages.forbid[0].what, "docker");
    assert_eq!(profile.machine.selinux, Selinux::Enforcing);
    let arguments = ["ignition.platform.id=qemu", "quiet", "systemd.show_status=yes", "security=selinux", "selinux=1"];
    assert_eq!(profile.boot.arguments, arguments);
    assert!(profile.machine.first_boot.wizard && profile.distribution.absent.is_empty());
    let repositories = &profile.distribution.repositories;
    let builds: Vec<bool> = repositories.iter().map(|repository| repository.build).collect();
    assert_eq!(builds, [true, false, true, false]);
    assert_eq!(repositories[0].url, "https://cdn.opensuse.org/tumbleweed/repo/oss");
}

#[test]
fn the_raspberry_has_its_partitions_and_firmware() {
    let profile = loaded(&choice("microos", "raspberrypi3", "opensuse-tumbleweed")).profile;
    let kinds: Vec<PartitionKind> = profile.layout.partitions.iter().map(|partition| partition.kind).collect();
    assert_eq!(kinds, [PartitionKind::Esp, PartitionKind::Fat, PartitionKind::Root]);
    assert_eq!((profile.layout.table, profile.layout.size), (Table::Mbr, None));
    assert_eq!(profile.layout.partitions[2].mbr_type, Some(0x83));
    assert!(!profile.layout.partitions[2].quota && profile.emulate.pad_to_power_of_two);
    assert_eq!(profile.distribution.boot_files[0].from, "/boot/vc");
    assert_eq!(profile.formats, [Format::RawXz]);
}

#[test]
fn what_is_built_in_is_what_lies_in_the_folders() {
    let mut files = Vec::new();
    let mut folders = vec![root().join("profiles")];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(ending) if ending == "yaml" => files.push(path),
                _ => {}
            }
        }
    }
    for path in &files {
        let name = path.strip_prefix(root()).expect("it is below").to_str().expect("UTF-8");
        assert_eq!(builtin::text(name), Some(fs_err::read_to_string(path).expect("a file").as_str()), "{name}");
    }
    let known = [Kind::Profile, Kind::Platform, Kind::Distribution].map(|kind| builtin::names(kind).count());
    assert_eq!(known.iter().sum::<usize>(), files.len());
}

#[test]
fn built_in_overlays_are_the_folders() {
    for entry in fs_err::read_dir(root().join("overlays")).expect("a folder") {
        let folder = entry.expect("an entry").path();
        if !folder.is_dir() {
            continue;
        }
        let name = folder.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        let built_in = built_in_overlay(name).unwrap_or_else(|| panic!("overlay {name} is not built in"));
        let mut count = 0;
        let mut folders = vec![folder.clone()];
        while let Some(at) = folders.pop() {
            for entry in fs_err::read_dir(at).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                count += 1;
                let below = path.strip_prefix(&folder).expect("it is below").to_str().expect("UTF-8");
                let file = built_in.iter().find(|file| file.path == below).unwrap_or_else(|| panic!("{below}"));
                assert_eq!(file.bytes, fs_err::read(&path).expect("a file"));
                use std::os::unix::fs::PermissionsExt;
                let mode = fs_err::metadata(&path).expect("a file").permissions().mode();
                assert_eq!(file.executable, mode & 0o100 != 0, "{below}");
            }
        }
        assert_eq!(count, built_in.len(), "{name}");
    }
}

/// The specification's files as they stand, sections 3 to 8.
#[test]
fn the_specification_is_read_as_it_stands() {
    let path = root().join("../shared/PROFILES.md");
    let Ok(text) = fs_err::read_to_string(&path) else {
        assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "{} is missing", path.display());
        return;
    };
    let mut read = 0;
    for block in text.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let tree = match node::parse(block, Path::new("PROFILES.md")) {
            Ok(tree) => tree,
            Err(_) if !block.contains("\nkind: ") => continue,
            Err(broken) => panic!("{broken:?}"),
        };
        let kind = match tree.get("kind").and_then(node::Node::as_str) {
            Some("profile") => Kind::Profile,
            Some("platform") => Kind::Platform,
            Some("distribution") => Kind::Distribution,
            _ => continue,
        };
        let mut faults = Vec::new();
        shape::Checker { arch_maps: kind != Kind::Profile, faults: &mut faults }.check(load::shape(kind), &tree, "");
        assert_eq!(faults, [], "{block}");
        read += 1;
    }
    assert_eq!(read, 6);
}

/// `my-node.yaml` of section 8, loaded with the files that it names.
#[test]
fn the_newcomers_profile_loads() {
    let Ok(text) = fs_err::read_to_string(root().join("../shared/PROFILES.md")) else { return };
    let block = text.split("```yaml\n").find(|block| block.starts_with("# my-node.yaml")).expect("section 8");
    let block = block.split("```").next().unwrap_or_default().replace("~/.ssh/id_ed25519.pub", "./id_ed25519.pub");
    let bench = Bench::new();
    let path = bench.file("my-node.yaml", &block);
    bench.file(
        "id_ed25519.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@home\n",
    );
    bench.file("motd.txt", "hello\n");
    bench.file("backup.sh", "#!/bin/sh\n");
    let loaded = loaded(&choice(path.to_str().expect("UTF-8"), "raspberrypi3", "opensuse-tumbleweed"));
    let machine = &loaded.profile.machine;
    assert_eq!(machine.users["root"].ssh_keys.len(), 1);
    assert_eq!(machine.users["operator"].password_hash, Some(Secret::Named("OPERATOR".into())));
    assert_eq!((machine.connections.len(), machine.connections[1].country.as_deref()), (3, Some("NO")));
    assert_eq!(machine.enable, ["backup.timer"]);
    assert_eq!((machine.update.reboot.window.as_deref(), machine.update.reboot.duration), (Some("04:00"), 5400));
    let whats: Vec<&str> = loaded.profile.packages.install.iter().map(|request| request.what.as_str()).collect();
    assert!(whats.contains(&"htop") && !whats.contains(&"nfs-client"));
    assert!(!machine.first_boot.wizard, "root has a key");
    assert!(loaded.warnings.iter().any(|warning| warning.contains("cut off")), "{:?}", loaded.warnings);
}

#[test]
fn a_first_profile_loads_as_it_is_and_with_every_comment_taken_away() {
    let bench = Bench::new();
    let text = init("mine", "kubic");
    let path = bench.file("mine.yaml", &text);
    loaded(&choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed"));
    let lines = text.lines().skip(2).map(|line| line.strip_prefix("# ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
    let path = bench.file("all/mine.yaml", &lines.replace("~/.ssh/", "./"));
    bench.file(
        "all/id_ed25519.pub",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me\n",
    );
    bench.file("all/mine/etc/motd", "x");
    let profile = loaded(&choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed")).profile;
    assert_eq!((profile.machine.hostname.as_str(), profile.overlays.len()), ("mine", 2));
}

/// The tables of the page are the tables of the program, row by row.
#[test]
fn every_key_is_documented() {
    let readme = fs_err::read_to_string(root().join("profiles/README.md")).expect("profiles/README.md");
    let mut missing = Vec::new();
    for kind in [Kind::Profile, Kind::Platform, Kind::Distribution] {
        let heading = format!("## Keys of a {}\n", kind.as_str());
        let section =
            readme.split(&heading).nth(1).expect("the kind's section").split("\n## ").next().unwrap_or_default();
        let mut rows = Vec::new();
        table(load::shape(kind), "", &mut rows);
        missing.extend(rows.into_iter().filter(|row| !section.contains(row.as_str())));
    }
    assert_eq!(missing, Vec::<String>::new(), "rows for profiles/README.md");
}

fn table(shape: &shape::Shape, path: &str, rows: &mut Vec<String>) {
    use shape::Shape::{Any, List, Map, Record};
    match shape {
        Record(fields) => {
            for field in *fields {
                let full = shape::join(path, field.name);
                rows.push(format!("| `{full}` | {} | {} |", field.shape.expected(), field.doc));
                table(&field.shape, &full, rows);
            }
        }
        List(inner, _) => table(inner, &format!("{path}[]"), rows),
        Map(inner) => table(inner, &format!("{path}.*"), rows),
        Any(shapes) => shapes.iter().for_each(|shape| table(shape, path, rows)),
        _ => {}
    }
}

#[test]
fn the_schema_knows_the_shipped_files() {
    let schema = schema();
    for (kind, name) in [(Kind::Profile, "kubic"), (Kind::Platform, "vm"), (Kind::Distribution, "debian-rpm")] {
        let found = find::built_in(kind, name).expect("it is built in");
        let tree = node::parse(&found.text, &found.path).expect("YAML");
        let properties = &schema["$defs"][kind.as_str()]["properties"];
        for (key, _) in tree.entries() {
            assert!(properties.get(&key.name).is_some_and(|value| value["description"].is_string()), "{}", key.name);
        }
    }
}

#[test]
fn what_there_is_is_listed() {
    let all = list();
    let kubic = all.iter().find(|listed| listed.name == "kubic").expect("kubic");
    assert_eq!((kubic.kind, kubic.summary.is_empty()), (Kind::Profile, false));
    assert!(all.iter().any(|listed| listed.name == "vm" && listed.kind == Kind::Platform));
    assert_eq!(source("kubic").as_deref(), builtin::text("profiles/kubic.yaml"));
    assert_eq!(source("nonsense"), None);
}
