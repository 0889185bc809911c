//! Shipped files and what is wrong with others.

use super::*;

fn choice(profile: &str, platform: &str, distribution: &str) -> Choice {
    Choice {
        profile: profile.into(),
        platform: Some(platform.into()),
        arch: (platform == "vm").then_some(Arch::X86_64),
        distribution: Some(distribution.into()),
        ..Choice::default()
    }
}

fn loaded(choice: &Choice) -> Loaded {
    load(choice).unwrap_or_else(|faults| panic!("{faults}"))
}

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
    assert!(
        profile.notes.iter().any(|note| note.starts_with("`kubernetes.node`: not in debian-rpm")),
        "{:?}",
        profile.notes
    );
    assert!(profile.distribution.absent.contains_key("kubernetes.node"));
}
