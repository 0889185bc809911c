mod corpus;
mod hostile;
mod server;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use super::*;
use crate::{
    profile::{Arch, Distribution, Key, OnImage, Place, Repository, Request, Traits, Verify as Required},
    report::{Event, Exit, Explain},
    solve::{self, Chosen, Resolution},
    units::{Bytes, Epoch},
};
use server::{Answer, Server};

/// Everything that a test of this stage needs.
struct Bench {
    base: tempfile::TempDir,
    cache: Cache,
    report: Report,
    events: Arc<Mutex<Vec<Event>>>,
}

impl Bench {
    fn new() -> Self {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::open(base.path().join("cache")).unwrap();
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let sink = events.clone();
        let report = Report::new(move |event| sink.lock().unwrap().push(event));
        Self { base, cache, report, events }
    }

    /// Early enough for every key.
    fn access(&self) -> Access<'_> {
        Access { transport: Transport::impatient(), now: Epoch::default(), ..Access::new(&self.cache, &self.report) }
    }

    fn warnings(&self) -> Vec<String> {
        let events = self.events.lock().unwrap();
        events
            .iter()
            .filter_map(|event| if let Event::Warning { text } = event { Some(text.clone()) } else { None })
            .collect()
    }

    /// A repository of two packages without signatures.
    fn repository(&self, name: &str, revision: u64) -> PathBuf {
        let folder = self.base.path().join(name);
        fs_err::create_dir_all(folder.join("repodata")).unwrap();
        let mut primary = "<metadata>".to_owned();
        for package in ["alpha", "beta"] {
            let file = format!("{package}-1-1.noarch.rpm");
            let bytes = content(package);
            fs_err::write(folder.join(&file), &bytes).unwrap();
            primary.push_str(&format!(
                "<package type='rpm'><name>{package}</name><arch>noarch</arch><version epoch='0' ver='1' rel='1'/>\
                 <checksum type='sha256'>{}</checksum><time build='1700000000'/><size package='{}' installed='9'/>\
                 <location href='{file}'/><format><rpm:provides xmlns:rpm='r'><rpm:entry name='{package}' flags='EQ' \
                 epoch='0' ver='1' rel='1'/></rpm:provides></format></package>",
                crate::cache::Digest::of(&bytes),
                bytes.len()
            ));
        }
        primary.push_str("</metadata>");
        // Not packed: the signature in the fixtures is of these very bytes, whatever zstd's version.
        let packed = primary.as_bytes();
        fs_err::write(folder.join("repodata/primary.xml"), packed).unwrap();
        let repomd = format!(
            "<repomd><revision>{revision}</revision><data type='primary'><checksum type='sha256'>{}</checksum><location \
             href='repodata/primary.xml'/><size>{}</size><open-size>{}</open-size></data></repomd>",
            crate::cache::Digest::of(packed),
            packed.len(),
            primary.len()
        );
        fs_err::write(folder.join("repodata/repomd.xml"), repomd).unwrap();
        folder
    }
}

/// Some bytes, more than one buffer holds.
fn content(name: &str) -> Vec<u8> {
    name.bytes().cycle().take(200_000).collect()
}

fn distribution(url: &str, verify: Required) -> Distribution {
    let repository = Repository {
        alias: "oss".into(),
        url: url.into(),
        priority: 99,
        build: true,
        on_image: OnImage::Absent,
        verify,
    };
    Distribution {
        name: "test".into(),
        repositories: vec![repository],
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

fn unsigned(url: &str) -> Distribution {
    distribution(url, Required::Checksums)
}

/// All packages of all repositories.
fn everything(packages: &Packages) -> Resolution {
    let mut resolution = Resolution::default();
    for offer in &packages.offers {
        for package in &offer.packages {
            resolution.packages.push(Chosen {
                name: offer.words.get(package.name).into(),
                evr: offer.words.get(package.evr).into(),
                arch: offer.words.get(package.arch).into(),
                repository: offer.alias.clone(),
                location: package.location.to_string(),
                size: Bytes(package.size),
                checksum: package.checksum.clone(),
                build_time: Epoch(package.build_time),
                installed_size: Bytes(package.installed_size),
                asked: Vec::new(),
                reason: None,
            });
        }
    }
    resolution
}

/// Loads and fetches all; the names that came.
fn run(bench: &Bench, distribution: &Distribution, offline: bool) -> Result<Vec<String>, Error> {
    let access = bench.access().offline(offline);
    let packages = load(distribution, &access)?;
    let resolution = everything(&packages);
    let files = fetch(&resolution, distribution, &access)?;
    for file in &files {
        assert_eq!(fs_err::read(&file.path).unwrap(), content(&resolution.packages[file.index].name));
    }
    Ok(resolution.packages.into_iter().map(|package| package.name).collect())
}

#[test]
fn folders_are_repositories() {
    let bench = Bench::new();
    let folder = bench.repository("repo", 1);
    for scheme in ["dir:", "dir://", "file://"] {
        let distribution = unsigned(&format!("{scheme}{}", folder.display()));
        assert_eq!(run(&bench, &distribution, false).unwrap(), ["alpha", "beta"]);
        assert_eq!(run(&bench, &distribution, true).unwrap(), ["alpha", "beta"]);
    }
    assert!(bench.warnings()[0].contains("without checking signatures"));
    let progress = bench
        .events
        .lock()
        .unwrap()
        .iter()
        .any(|event| matches!(event, Event::Progress { done, total, .. } if done == total && *total == 400_000));
    assert!(progress);
}

#[test]
fn the_web_is_followed_and_kept() {
    let bench = Bench::new();
    let (server, mirror) = (Server::start(), Server::start());
    mirror.folder("/pub", &bench.repository("repo", 1));
    for file in ["repodata/repomd.xml", "repodata/primary.xml", "alpha-1-1.noarch.rpm", "beta-1-1.noarch.rpm"] {
        server.set(&format!("/repo/{file}"), Answer::To(mirror.url(&format!("/pub/{file}"))));
    }
    let url = format!("http://me:secret@{}/repo/", server.address);
    assert_eq!(run(&bench, &unsigned(&url), false).unwrap(), ["alpha", "beta"]);
    assert!(server.requests().iter().all(|request| request.contains("Basic bWU6c2VjcmV0")));
    for request in mirror.requests() {
        let request = request.to_lowercase();
        assert!(!request.contains("authorization") && !request.contains("cookie") && !request.contains("gzip"));
    }
    // A second time only `repomd.xml` is asked for; offline nothing is.
    let before = mirror.requests().len();
    run(&bench, &unsigned(&url), false).unwrap();
    assert_eq!(mirror.requests().len(), before + 1);
    run(&bench, &unsigned(&url), true).unwrap();
    assert_eq!(mirror.requests().len(), before + 1);
    let notes = fs_err::read_dir(bench.cache.folder().join("repositories")).unwrap();
    for note in notes {
        assert!(!fs_err::read_to_string(note.unwrap().path()).unwrap().contains("secret"));
    }
}

#[test]
fn what_may_pass_is_tried_again() {
    let bench = Bench::new();
    let server = Server::start();
    server.folder("", &bench.repository("repo", 1));
    let alpha = content("alpha");
    server.set("/alpha-1-1.noarch.rpm", Answer::Failing(503, 2, alpha.clone()));
    server.set("/beta-1-1.noarch.rpm", Answer::Truncated(2, content("beta")));
    assert_eq!(run(&bench, &unsigned(&server.url("")), false).unwrap(), ["alpha", "beta"]);
    bench.cache.clear(&[]).unwrap();
    server.set("/alpha-1-1.noarch.rpm", Answer::Stale(1, content("gamma"), alpha));
    assert_eq!(run(&bench, &unsigned(&server.url("")), false).unwrap(), ["alpha", "beta"]);
}

#[test]
fn what_does_not_pass_is_told() {
    let forever = 1000;
    let alpha = content("alpha");
    let longer = [alpha.clone(), vec![0]].concat();
    let cases: [(&str, Option<Answer>, Exit, &str); 9] = [
        ("/alpha-1-1.noarch.rpm", Some(Answer::Truncated(forever, alpha.clone())), Exit::Build, "is truncated: "),
        ("/alpha-1-1.noarch.rpm", Some(Answer::File(content("gamma"))), Exit::Build, "has the wrong checksum"),
        ("/alpha-1-1.noarch.rpm", Some(Answer::File(alpha[..9].to_vec())), Exit::Build, "is truncated: 9 of 200000"),
        ("/alpha-1-1.noarch.rpm", Some(Answer::File(longer)), Exit::Build, "is longer than the 200000 bytes"),
        ("/alpha-1-1.noarch.rpm", Some(Answer::Failing(500, forever, alpha)), Exit::Host, "cannot download"),
        ("/alpha-1-1.noarch.rpm", None, Exit::Build, "lacks `alpha-1-1.noarch.rpm`"),
        ("/repodata/repomd.xml", None, Exit::Usage, "there is no repository `oss` at `http://"),
        ("/repodata/repomd.xml", Some(Answer::To("/repodata/repomd.xml".into())), Exit::Host, "cannot download"),
        ("/repodata/primary.xml", Some(Answer::File(vec![7; 50])), Exit::Build, "is truncated"),
    ];
    for (path, answer, exit, text) in cases {
        let bench = Bench::new();
        let server = Server::start();
        server.folder("", &bench.repository("repo", 1));
        match answer {
            Some(answer) => server.set(path, answer),
            None => server.set(path, Answer::Failing(404, forever, Vec::new())),
        }
        let error = run(&bench, &unsigned(&server.url("")), false).unwrap_err();
        assert_eq!(error.exit(), exit, "{error}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(!error.hints().is_empty(), "{error}");
    }
}

#[test]
fn faults_of_addresses_and_the_cache() {
    let bench = Bench::new();
    for (url, exit, text) in [
        ("ftp://example.org/x".to_owned(), Exit::Usage, "of a kind that is not supported"),
        ("dir:/nonexistent/folder".to_owned(), Exit::Usage, "there is no repository `oss`"),
        ("http://example.org/x".to_owned(), Exit::Usage, "its metadata is not signed"),
    ] {
        let error = run(&bench, &unsigned(&url), false).unwrap_err();
        assert_eq!(error.exit(), exit, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }
    let error = run(&bench, &distribution("http://example.org/x", Required::Packages), false).unwrap_err();
    assert!(matches!(error, Error::Insecure { .. }), "{error}");
    let error = run(&bench, &unsigned("http://127.0.0.1:9/x"), true).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }) && error.exit() == Exit::Host);
    // Metadata is kept, packages are not.
    let server = Server::start();
    server.folder("", &bench.repository("repo", 1));
    load(&unsigned(&server.url("")), &bench.access()).unwrap();
    let error = run(&bench, &unsigned(&server.url("")), true).unwrap_err();
    assert!(error.to_string().contains("alpha-1-1.noarch.rpm` is not in the cache"), "{error}");
}

/// A small file system of its own; needs root.
struct Small(PathBuf);

impl Small {
    fn mount(path: PathBuf) -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        fs_err::create_dir_all(&path).unwrap();
        mount("rowi-test", &path, "tmpfs", MountFlags::empty(), c"size=600k,mode=700").ok()?;
        Some(Self(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test is seen")]
fn a_full_disk_is_told() {
    let bench = Bench::new();
    let Some(small) = Small::mount(bench.base.path().join("small")) else {
        eprintln!("skipped: only root can mount a small file system");
        return;
    };
    let folder = bench.repository("repo", 1);
    let cache = Cache::open(small.0.join("cache")).unwrap();
    let full = Bench { cache, ..bench };
    let filler = vec![0; 400_000];
    fs_err::write(small.0.join("filler"), filler).unwrap();
    let error = run(&full, &unsigned(&format!("dir:{}", folder.display())), false).unwrap_err();
    assert_eq!(error.exit(), Exit::Host, "{error}");
    assert!(error.hints()[0].contains("free some room"), "{error} {:?}", error.hints());
    fs_err::remove_file(small.0.join("filler")).unwrap();
    assert!(full.cache.verify().unwrap().damaged.is_empty());
}

#[test]
fn an_older_repository_is_noticed() {
    let bench = Bench::new();
    let server = Server::start();
    server.folder("", &bench.repository("new", 20));
    run(&bench, &unsigned(&server.url("")), false).unwrap();
    server.folder("", &bench.repository("old", 10));
    run(&bench, &unsigned(&server.url("")), false).unwrap();
    assert!(
        bench.warnings().iter().any(|text| text.contains("revision 10, older than the 20")),
        "{:?}",
        bench.warnings()
    );
}

/// `tests/fixtures/repo`: a key and its signature of `Bench::repository("…", 1)`'s `repomd.xml`; see the README there.
fn fixture(name: &str) -> Vec<u8> {
    fs_err::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/repo").join(name)).unwrap()
}

const FINGERPRINT: &str = "B704C3FF4CF3AF8125D6746E38034898C87C805C";

#[test]
fn a_signature_is_demanded_and_judged() {
    let bench = Bench::new();
    let server = Server::start();
    server.folder("", &bench.repository("repo", 1));
    let mut distribution = distribution(&server.url(""), Required::Repository);
    let load = |distribution: &Distribution, offline| super::load(distribution, &bench.access().offline(offline));
    let refusal = |distribution: &Distribution| match load(distribution, false).unwrap_err() {
        error @ Error::Signature { .. } => {
            assert_eq!(error.exit(), Exit::Build);
            let Error::Signature { source, .. } = error else { unreachable!() };
            source
        }
        error => panic!("{error}"),
    };
    assert_eq!(refusal(&distribution), Refusal::Unsigned);
    let (good, wrong) = (fixture("repomd.xml.asc"), fixture("other.asc"));
    server.set("/repodata/repomd.xml.asc", Answer::File(good.clone()));
    assert_eq!(refusal(&distribution), Refusal::NoKeys);
    distribution.keys = vec![Key { fingerprint: FINGERPRINT.into(), fetch: "repodata/repomd.xml.key".into() }];
    assert_eq!(refusal(&distribution), Refusal::NoKey(FINGERPRINT.into()));
    server.set("/repodata/repomd.xml.key", Answer::File(fixture("key.asc")));
    let other = vec![Key { fingerprint: "AB".repeat(20), ..distribution.keys[0].clone() }];
    let untrusting = Distribution { keys: other, ..distribution.clone() };
    assert_eq!(refusal(&untrusting), Refusal::NoKey("AB".repeat(20)));
    server.set("/repodata/repomd.xml.asc", Answer::File(wrong.clone()));
    assert_eq!(refusal(&distribution), Refusal::Bad(FINGERPRINT.into()));
    server.set("/repodata/repomd.xml.asc", Answer::File(b"no signature".to_vec()));
    assert!(matches!(refusal(&distribution), Refusal::Unusable(_)));
    // A mirror in the middle of an update.
    server.set("/repodata/repomd.xml.asc", Answer::Stale(1, wrong, good));
    assert_eq!(load(&distribution, false).unwrap().offers[0].state.key.as_deref(), Some(FINGERPRINT));
    assert_eq!(load(&distribution, true).unwrap().offers[0].state.key.as_deref(), Some(FINGERPRINT));
    assert!(bench.warnings().is_empty());
    // A key that is at hand is not fetched.
    let blocks = [fixture("key.asc")];
    distribution.keys[0].fetch = "nowhere".into();
    super::load(&distribution, &bench.access().keys(&blocks)).unwrap();
}

#[test]
fn a_key_that_has_ended_vouches_for_nothing_new() {
    const LAST_DAY: i64 = 1_924_948_800; // 2030-12-31
    let bench = Bench::new();
    let server = Server::start();
    server.folder("", &bench.repository("repo", 1));
    server.set("/repodata/repomd.xml.asc", Answer::File(fixture("repomd.xml.asc")));
    let mut distribution = distribution(&server.url(""), Required::Repository);
    distribution.keys = vec![Key { fingerprint: FINGERPRINT.into(), fetch: "repodata/repomd.xml.key".into() }];
    server.set("/repodata/repomd.xml.key", Answer::File(fixture("key-until-2030.asc")));
    let load = |day: i64, offline| {
        let access = Access { now: Epoch(LAST_DAY + day * 86_400), ..bench.access().offline(offline) };
        super::load(&distribution, &access).map(|packages| packages.offers.len())
    };
    assert_eq!(load(-1, false).unwrap(), 1);
    let error = load(2, false).unwrap_err();
    assert!(matches!(&error, Error::Signature { source: Refusal::Ended { until, .. }, .. } if until == "2030-12-31"));
    assert!(error.hints()[0].contains("--offline"), "{:?}", error.hints());
    assert_eq!(load(2, true).unwrap(), 1, "what was accepted stays so");
}

#[test]
fn packages_are_judged_too() {
    let Some(corpus) = corpus() else { return };
    // Signed packages, and unsigned ones below signed metadata, each with their key.
    for (folder, key_file, fingerprint, signed) in [
        (
            "xlibre-tumbleweed/x86_64",
            "xlibre-tumbleweed/outtathebox5319-rpm-signing-key.asc",
            "17916E744A41E4CF94083199AB70E8147E117264",
            true,
        ),
        ("bych4n-opensuse", "bych4n-opensuse/repodata/KEY.pub", "3E34C87961B5C9D1DC74BD52953B5F37E8C55777", false),
    ] {
        let folder = corpus.join("repodata/repos").join(folder);
        let blocks = [fs_err::read(corpus.join("repodata/repos").join(key_file)).unwrap()];
        let mut distribution = distribution(&format!("dir:{}", folder.display()), Required::Repository);
        distribution.keys = vec![Key { fingerprint: fingerprint.to_lowercase(), fetch: String::new() }];
        let bench = Bench::new();
        let access = bench.access().keys(&blocks);
        let mut resolution = everything(&load(&distribution, &access).unwrap());
        resolution.packages.retain(|package| folder.join(&*package.location).exists());
        assert!(resolution.packages.len() > 10);
        fetch(&resolution, &distribution, &access).unwrap();
        distribution.repositories[0].verify = Required::Packages;
        match fetch(&resolution, &distribution, &access) {
            Ok(_) => assert!(signed),
            Err(error) => assert!(!signed && error.to_string().contains("the signature of package"), "{error}"),
        }
        distribution.keys[0].fingerprint = "AB".repeat(20);
        let error = fetch(&resolution, &distribution, &access).unwrap_err();
        let unknown = matches!(&error, Error::PackageSignature { source: Refusal::UnknownKey(_), .. });
        assert!((unknown || !signed) && error.exit() == Exit::Build, "{error}");
    }
}

#[test]
fn file_lists_are_read_when_asked() {
    let bench = Bench::new();
    let folder = bench.repository("repo", 1);
    let sum = crate::cache::Digest::of(&content("beta"));
    let lists = format!("<filelists><package pkgid='{sum}'><file>/usr/share/beta</file></package></filelists>");
    fs_err::write(folder.join("repodata/filelists.xml"), &lists).unwrap();
    let repomd = fs_err::read_to_string(folder.join("repodata/repomd.xml")).unwrap();
    let data = format!(
        "<data type='filelists'><checksum type='sha512'>{}</checksum><location href='repodata/filelists.xml'/></data></repomd>",
        crate::rpm::digest::Algorithm::Sha512.hex([lists.as_bytes()])
    );
    fs_err::write(folder.join("repodata/repomd.xml"), repomd.replace("</repomd>", &data)).unwrap();
    let distribution = unsigned(&format!("dir:{}", folder.display()));
    let access = bench.access();
    let mut packages = load(&distribution, &access).unwrap();
    assert!(packages.offers[0].packages[1].files.is_empty());
    let place = Place { file: "p.yaml".into(), line: 1, column: 1 };
    let wish = |what: &str| solve::Wish {
        arch: Arch::X86_64,
        install: vec![Request { what: what.into(), role: None, place: place.clone() }],
        forbid: Vec::new(),
        recommends: false,
        languages: Vec::new(),
        locked: Vec::new(),
    };
    let asked = std::cell::Cell::new(0);
    let mut solve = |what: &str| {
        solve::solve(&wish(what), &mut packages, |packages, paths| {
            asked.set(asked.get() + 1);
            complete(packages, paths, &distribution, &access)
        })
    };
    solve("alpha").unwrap();
    solve("gamma").unwrap_err();
    assert_eq!(asked.get(), 0);
    let resolution = solve("/usr/share/beta").unwrap();
    assert_eq!((resolution.packages[0].name.as_str(), asked.get()), ("beta", 1));
    assert_eq!(solve("/usr/share/other").unwrap_err().exit(), Exit::Unsatisfiable);
    let offer = &packages.offers[0];
    assert_eq!(
        offer.packages[1].files.iter().map(|file| offer.words.get(*file)).collect::<Vec<_>>(),
        ["/usr/share/beta"]
    );
}

/// The corpus, where it is.
#[expect(clippy::print_stderr, reason = "a skipped test is seen")]
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !folder.exists() {
        assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "there is no ../shared/corpus");
        eprintln!("skipped: there is no ../shared/corpus");
    }
    folder.exists().then_some(folder)
}
