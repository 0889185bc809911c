//! From a profile's name to its packages: what is shipped can be had.

use rowi::{
    cache::Cache,
    profile::{self, Choice},
    repo::{self, Access},
    report::{Explain, Report},
    solve::{self, Wish},
};

use crate::place::test_distribution;

#[test]
fn shipped_profiles_are_satisfied_by_the_test_distribution() {
    let Some(folder) = test_distribution() else { return };
    let base = tempfile::tempdir().unwrap();
    let (cache, report) = (Cache::open(base.path().join("cache")).unwrap(), Report::default());
    for (name, least, asked) in [
        ("microos", 180, "snapper"),
        ("container-host", 200, "podman"),
        ("docker-host", 190, "docker.io"),
        ("lxc-host", 190, "lxc"),
        ("kubic", 240, "kubernetes-client"),
        ("kubic-admin", 200, "kubernetes-client"),
        ("registry", 200, "docker-registry"),
        ("log-server", 180, "rsyslog-relp"),
        ("web-server", 180, "nginx"),
        ("vm-host", 220, "qemu-system-x86"),
    ] {
        let choice = Choice {
            profile: name.into(),
            distribution: Some("debian-rpm".into()),
            arch: Some(profile::Arch::X86_64),
            repositories: vec![format!("debian-rpm=dir:{}", folder.display())],
            ..Choice::default()
        };
        let loaded = profile::load(&choice).unwrap_or_else(|faults| panic!("{faults}"));
        let distribution = loaded.fetched_from();
        let access = Access::new(&cache, &report).keys(&loaded.keys);
        let mut packages =
            repo::load(&distribution, &access).unwrap_or_else(|error| panic!("{:?}", error.diagnostics()));
        let more =
            |packages: &mut repo::Packages, paths: &[&str]| repo::complete(packages, paths, &distribution, &access);
        let chosen = solve::solve(&Wish::of(&loaded.profile), &mut packages, more);
        let chosen = chosen.unwrap_or_else(|error| panic!("{name}: {:#?}", error.diagnostics()));
        let names: Vec<&str> = chosen.packages.iter().map(|package| package.name.as_str()).collect();
        assert!(names.contains(&asked) && names.len() > least, "{name}: {} {names:?}", names.len());
    }
}
