use super::*;
use crate::{
    profile::{Arch, Request},
    repo::State,
    solve::{Reason, Source},
};

fn chosen(name: &str, evr: &str, asked: &[(&str, u32)], by: Option<&str>) -> Chosen {
    let place = |(file, line): &(&str, u32)| Place { file: file.into(), line: *line, column: 3 };
    let reason = |package: &str| Reason { package: package.into(), how: "requires".into(), dependency: name.into() };
    Chosen {
        name: name.into(),
        evr: evr.into(),
        arch: "x86_64".into(),
        repository: "oss".into(),
        location: format!("x86_64/{name} {evr}.rpm"),
        size: Bytes(123),
        checksum: Digest::of(format!("{name}{evr}").as_bytes()).into(),
        build_time: Epoch(1_700_000_000),
        installed_size: Bytes(456),
        asked: asked.iter().map(place).collect(),
        reason: by.map(reason),
    }
}

fn resolution() -> Resolution {
    let state = State { revision: "1700".into(), key: Some("ABCD".into()), time: 17, repomd: Some(Digest::of(b"")) };
    Resolution {
        packages: vec![
            chosen("bash", "5.2-1", &[("kubic.yaml", 7), ("kubic.yaml", 3)], None),
            chosen("conmon", "1:2.0-1", &[], Some("podman")),
            chosen("podman", "5.0-1", &[("my: \"odd\" name.yaml", 1)], None),
        ],
        repositories: vec![Source { alias: "oss".into(), state }],
    }
}

fn wish(install: &[&str]) -> Wish {
    let request = |what: &&str| Request { what: (*what).into(), role: None, place: Place::default() };
    Wish {
        arch: Arch::X86_64,
        install: install.iter().map(request).collect(),
        forbid: Vec::new(),
        recommends: false,
        languages: vec!["de".into()],
        locked: Vec::new(),
    }
}

fn lock() -> Lock {
    lock_with(Section::of(&wish(&["podman", "bash >= 5", "no"]), &resolution()).unwrap())
}

fn lock_with(section: Section) -> Lock {
    let mut lock = Lock::default();
    lock.sections.insert("debian-rpm/x86/x86_64".into(), section);
    lock
}

#[test]
fn a_lock_is_read_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubic.lock");
    assert_eq!(Lock::read(&path).unwrap(), Lock::default());
    for lock in [lock(), Lock::default()] {
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n') && !text.contains('\r'), "{text}");
        assert_eq!(lock.to_string(), text);
    }
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn its_text_is_one_line_a_package() {
    let digest = Digest::of(b"conmon1:2.0-1");
    let line = format!(
        "      - {{name: conmon, evr: \"1:2.0-1\", arch: x86_64, repository: oss, path: \"x86_64/conmon 1:2.0-1.rpm\", \
         size: 123, sha256: \"{digest}\", for: [\"my: \\\"odd\\\" name.yaml:1\"]}}"
    );
    let text = lock().to_string();
    assert!(text.lines().any(|other| other == line), "{line}\n{text}");
    assert!(text.contains("install: [\"bash >= 5\", \"no\", podman]"), "{text}");
    assert!(text.contains("for: [\"kubic.yaml:3\", \"kubic.yaml:7\"]"), "{text}");
}

#[test]
fn a_resolution_comes_back() {
    let section = lock().sections.remove("debian-rpm/x86/x86_64").unwrap();
    let (was, is) = (resolution(), section.to_resolution());
    assert_eq!(is.to_plan().unwrap(), was.to_plan().unwrap());
    assert_eq!((is.epoch(), &is.repositories), (was.epoch(), &was.repositories));
    let mut unpinned = was;
    unpinned.packages[1].checksum = crate::repo::Checksum::parse("sha1", &"0".repeat(40)).unwrap();
    assert!(matches!(Section::of(&wish(&[]), &unpinned), Err(Error::Unpinned(name)) if name == "conmon"));
}

#[test]
fn a_tool_root_is_a_builders() {
    let section = Section::of(&wish(&["podman"]), &resolution()).unwrap();
    assert_eq!(section.to_tools(Arch::X86_64), None);
    let section = section.with_tools(&resolution()).unwrap();
    let read = super::text::parse(&lock_with(section.clone()).to_string()).unwrap();
    assert_eq!(read.sections.values().next(), Some(&section));
    let tools = section.to_tools(Arch::X86_64).unwrap();
    assert_eq!(tools.to_plan().unwrap(), resolution().to_plan().unwrap());
    assert_eq!(section.to_tools(Arch::Aarch64), None);
}

#[test]
fn locked_builds_refuse_changes() {
    let (lock, path) = (lock(), Path::new("kubic.lock"));
    let section = "debian-rpm/x86/x86_64";
    lock.locked(path, section, &wish(&["no", "podman", "bash >= 5"])).unwrap();
    let error = lock.locked(path, section, &wish(&["podman", "vim", "no"])).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert!(error.to_string().ends_with("`vim` is asked for now; `bash >= 5` is no longer asked for"), "{error}");
    let error = lock.locked(path, "other/x86/x86_64", &wish(&[])).unwrap_err();
    assert!(error.to_string().contains("has nothing for other/x86/x86_64"), "{error}");
}

#[test]
fn an_older_repository_is_noticed() {
    let section = lock().sections.remove("debian-rpm/x86/x86_64").unwrap();
    let heard = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = heard.clone();
    let report = Report::new(move |event| sink.lock().unwrap().push(event));
    for revision in ["1700", "1800", "x", "1699"] {
        let mut offer = crate::repo::Offer::default();
        (offer.alias, offer.state.revision) = ("oss".into(), revision.into());
        section.warn_older(&Packages { offers: vec![offer] }, &report);
    }
    let heard = heard.lock().unwrap();
    assert!(heard.len() == 1 && format!("{heard:?}").contains("revision 1699, older than the 1700 that is locked"));
    assert_eq!(section.pins().len(), 3);
}

#[test]
fn differences_are_told() {
    let was = lock().sections.remove("debian-rpm/x86/x86_64").unwrap();
    let mut now = was.clone();
    now.packages[0].evr = "5.3-1".into();
    now.packages[0].sha256 = Digest::of(b"new");
    now.packages[1].name = "conmon-rs".into();
    now.packages[2].sha256 = Digest::of(b"rebuilt");
    let told: Vec<String> = was.changes(&now).iter().map(Change::to_string).collect();
    assert_eq!(told[..3], ["~ bash 5.2-1 → 5.3-1", "- conmon 1:2.0-1", "+ conmon-rs 1:2.0-1"]);
    assert!(told[3].starts_with("~ podman 5.0-1 from oss ("), "{told:?}");
    assert_eq!(was.changes(&was), []);
}

#[test]
fn what_is_no_lock_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.lock");
    let sound = lock().to_string();
    for (text, fault) in [
        ("".to_owned(), "has no line `lock: 1`"),
        ("\u{0}\u{1}".into(), "has no line"),
        (sound.replace("lock: 1", "lock: 2"), "is a lock of version 2"),
        (sound.replace("name: conmon", "name: \"\""), "has an empty or unreadable value"),
        (sound.replace("size: 123", "size: many"), "is not a lock"),
        (sound.replace("size: 123", "length: 123"), "is not a lock"),
        (format!("{sound}a: &a [*a, *a]\n"), "is not a lock"),
    ] {
        fs_err::write(&path, text).unwrap();
        let error = Lock::read(&path).unwrap_err();
        assert!(error.to_string().contains(fault), "{error}");
        assert_eq!(error.exit(), Exit::Usage);
    }
}

#[test]
fn large_locks_are_read() {
    let mut lock = lock();
    let section = lock.sections.get_mut("debian-rpm/x86/x86_64").unwrap();
    let package = section.packages[0].clone();
    section.packages = (0..50_000).map(|n| Package { name: format!("package{n:05}"), ..package.clone() }).collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.lock");
    lock.write(&path).unwrap();
    assert_eq!(Lock::read(&path).unwrap(), lock);
}
