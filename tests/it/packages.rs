//! From repositories to package files, and again from the lock: through the doors that a build uses.

use std::path::{Path, PathBuf};

use rowi::{
    cache::{Cache, Kind},
    lock::{Asked, Change, Error, Lock, Section},
    profile::{Arch, Distribution, OnImage, Place, Repository, Request, Traits, Verify},
    repo::{self, Access},
    report::Report,
    solve::{self, Wish},
};

use crate::place::corpus;

fn fixtures() -> Option<PathBuf> {
    Some(corpus()?.join("solver/ci-dnf-stack-2019/fixtures/repos"))
}

fn distribution(folder: &Path) -> Distribution {
    let repository = |alias: &str, priority| Repository {
        alias: alias.into(),
        url: format!("dir:{}", folder.join(alias).display()),
        priority,
        build: true,
        on_image: OnImage::Absent,
        verify: Verify::Checksums,
    };
    Distribution {
        name: "fedora".into(),
        repositories: vec![repository("dnf-ci-fedora", 99), repository("dnf-ci-fedora-updates", 98)],
        keys: Vec::new(),
        traits: Traits::default(),
        environment: Default::default(),
        allowed_failures: Vec::new(),
        paths: Default::default(),
        absent: Default::default(),
        boot_files: Vec::new(),
        native: Default::default(),
    }
}

fn wish(names: &[&str]) -> Wish {
    let place = |line| Place { file: "profile.yaml".into(), line, column: 5 };
    let request = |(at, what): (usize, &&str)| Request {
        what: (*what).into(),
        role: None,
        place: place(u32::try_from(at).unwrap() + 1),
    };
    Wish {
        arch: Arch::X86_64,
        install: names.iter().enumerate().map(request).collect(),
        forbid: Vec::new(),
        recommends: false,
        languages: Vec::new(),
        locked: Vec::new(),
    }
}

#[test]
fn packages_are_chosen_locked_and_fetched_again() {
    let Some(fixtures) = fixtures() else { return };
    let base = tempfile::tempdir().unwrap();
    let (cache, report) = (Cache::open(base.path().join("cache")).unwrap(), Report::default());
    let access = Access::new(&cache, &report);
    let distribution = distribution(&fixtures);
    let asked = wish(&["glibc", "webclient"]);

    let mut packages = repo::load(&distribution, &access).unwrap();
    let more = |packages: &mut repo::Packages, paths: &[&str]| repo::complete(packages, paths, &distribution, &access);
    let mut resolution = solve::solve(&asked, &mut packages, more).unwrap();
    let again = solve::solve(&asked, &mut packages, more).unwrap();
    assert_eq!(resolution, again);
    let files = repo::fetch(&resolution, &distribution, &access).unwrap();
    assert_eq!(files.len(), resolution.packages.len());
    resolution.pin(&files);

    let path = base.path().join("profile.lock");
    let mut lock = Lock::read(&path).unwrap();
    lock.sections.insert("fedora/vm/x86_64".into(), Section::of(&asked, &resolution).unwrap());
    lock.write(&path).unwrap();

    // A locked build needs no metadata, and from a full cache no repository.
    let lock = Lock::read(&path).unwrap();
    let locked = lock.locked(&path, "fedora/vm/x86_64", &asked).unwrap();
    let nowhere = Distribution {
        repositories: distribution
            .repositories
            .iter()
            .map(|repository| Repository { url: "https://nowhere.invalid/".into(), ..repository.clone() })
            .collect(),
        ..distribution.clone()
    };
    let offline = Access::new(&cache, &report).offline(true);
    assert_eq!(repo::fetch(&locked.to_resolution(), &nowhere, &offline).unwrap(), files);
    assert_eq!(locked.to_resolution().to_plan().unwrap(), resolution.to_plan().unwrap());
    let glibc = locked.packages.iter().find(|package| package.name == "glibc-common").unwrap();
    assert_eq!(glibc.places, ["profile.yaml:1"]);

    // Another wish is refused, and chosen anew it changes no more than it must.
    let other = wish(&["glibc"]);
    let error = lock.locked(&path, "fedora/vm/x86_64", &other).unwrap_err();
    assert!(matches!(error, Error::Outdated { changes, .. } if changes == [Change::Unasked("webclient".into())]));
    let other = Wish { locked: locked.pins(), ..other };
    let resolution = solve::solve(&other, &mut packages, more).unwrap();
    let changes = locked.changes(&Section::of(&other, &resolution).unwrap());
    assert!(changes.iter().all(|change| matches!(change, Change::Unasked(_) | Change::Removed(..))), "{changes:?}");
    assert_eq!(Asked::of(&other).install, ["glibc"]);

    // Without its packages the cache says what it lacks.
    cache.clear(&[Kind::Metadata]).unwrap();
    let error = repo::fetch(&locked.to_resolution(), &nowhere, &offline).unwrap_err();
    assert!(error.to_string().contains("is not in the cache"), "{error}");
}
