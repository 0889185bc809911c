//! One small package, made by dpkg-deb, through the whole way twice.

use std::path::{Path, PathBuf};

use crate::tool;

const CONTROL: &str = "Package: sample
Version: 1:2.0-3
Architecture: all
Maintainer: Nobody <nobody@example.org>
Essential: yes
Depends: libc6 (>= 2.38), a | b (<< 2)
Description: one line
 A longer text
";

/// Builds the package; its times are fixed, as dpkg-deb takes them from the folder.
fn deb(folder: &Path) -> PathBuf {
    let root = folder.join("sample");
    let files = [
        ("DEBIAN/control", CONTROL),
        ("DEBIAN/conffiles", "/etc/sample.conf\n"),
        ("DEBIAN/preinst", "#!/bin/sh\necho 100%\n"),
        ("DEBIAN/postinst", "#!/bin/sh\nexit 0\n"),
        ("etc/sample.conf", "setting\n"),
        ("usr/bin/sample", "#!/bin/sh\n"),
        ("usr/share/doc/sample/copyright", "free\n"),
        ("usr/share/sample/a b 50%", "a name to quote\n"),
        ("usr/share/sample/[b]*", "a name that is a pattern\n"),
        ("usr/share/sample/b*", "a name that the pattern matches\n"),
        ("var/lib/dpkg/sample", "moves\n"),
    ];
    for (path, contents) in files {
        let path = root.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, contents).unwrap();
    }
    fs_err::hard_link(root.join("usr/bin/sample"), root.join("usr/bin/other")).unwrap();
    fs_err::os::unix::fs::symlink("sample", root.join("usr/bin/link")).unwrap();
    let script = "chmod 755 DEBIAN/p*inst; find . -type d -exec chmod 755 {} +; chmod 4755 usr/bin/sample; \
                  find . -exec touch -h -d @1700000000 {} +";
    tool::output(tool::command("sh").args(["-c", script]).current_dir(&root)).unwrap();
    let deb = folder.join("sample_1%3a2.0-3_all.deb");
    let mut build = tool::command("dpkg-deb");
    build.args(["--root-owner-group", "--build"]).args([&root, &deb]).env("SOURCE_DATE_EPOCH", "1700000000");
    tool::output(&mut build).unwrap();
    deb
}

/// Whether the host can make packages; without, the test is skipped, visibly, or fails where tools are required.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn tools() -> bool {
    match tool::check() {
        Ok(()) => true,
        Err(error) if std::env::var_os("REQUIRE_TOOLS").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            false
        }
    }
}

/// All files of a repository with their bytes.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let list = tool::output(tool::command("find").args([".", "-type", "f"]).current_dir(folder)).unwrap();
    let mut names: Vec<_> = String::from_utf8(list).unwrap().lines().map(PathBuf::from).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fs_err::read(folder.join(name)).unwrap())).collect()
}

#[test]
fn the_same_deb_makes_the_same_repository() {
    if !tools() {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let deb = deb(work.path());
    let (first, second) = (work.path().join("first"), work.path().join("a/second"));
    crate::work::repository(std::slice::from_ref(&deb), &first).unwrap();
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    crate::work::repository(std::slice::from_ref(&deb), &second).unwrap();
    rustix::process::umask(umask);
    let (first_files, second_files) = (contents(&first), contents(&second));
    assert!(first_files.iter().any(|(name, _)| name.ends_with("sample-2.0-3.noarch.rpm")));
    for (one, other) in first_files.iter().zip(&second_files) {
        assert_eq!(one.0, other.0);
        assert!(one.1 == other.1, "`{}` differs", one.0.display());
    }
    assert_eq!(first_files.len(), second_files.len());

    // Nothing new: nothing is written.
    let repomd = first.join("repodata/repomd.xml.asc");
    let before = fs_err::metadata(&repomd).unwrap().modified().unwrap();
    crate::work::repository(&[deb], &first).unwrap();
    assert_eq!(fs_err::metadata(&repomd).unwrap().modified().unwrap(), before);
    // A package that is no longer wanted goes.
    crate::work::repository(&[], &first).unwrap();
    assert!(!first.join("noarch/sample-2.0-3.noarch.rpm").exists());
}

#[test]
fn rpm_reads_what_the_deb_says() {
    if !tools() {
        return;
    }
    let work = tempfile::tempdir().unwrap();
    let repo = work.path().join("repo");
    crate::work::repository(&[deb(work.path())], &repo).unwrap();
    let rpm = repo.join("noarch/sample-2.0-3.noarch.rpm");
    let query = |format: &str| {
        let mut query = tool::command("rpm");
        String::from_utf8(tool::output(query.args(["-qp", "--qf", format]).arg(&rpm)).unwrap()).unwrap()
    };
    assert_eq!(query("%{EPOCH} %{BUILDTIME} %{BUILDHOST}"), "1 1700000000 debian-rpm");
    let files = query("[%{FILENAMES} %{FILEMODES:octal} %{FILEUSERNAME} %{FILEFLAGS:fflags} %{FILEMTIMES}\n]");
    for line in [
        "/etc/sample.conf 100644 root cn 1700000000",
        "/usr/bin/sample 104755 root  1700000000",
        "/usr/bin/other 104755 root  1700000000",
        "/usr/bin/link 120777 root  1700000000",
        "/usr/share/sample/a b 50% 100644 root  1700000000",
        "/usr/share/sample/[b]* 100644 root  1700000000",
        "/usr/lib/sysimage/dpkg/sample 100644 root  1700000000",
        "/usr/share/doc/sample/copyright 100644 root l 1700000000",
    ] {
        assert!(files.lines().any(|file| file == line), "no `{line}` in\n{files}");
    }
    let names = query("[%{FILENAMES} %{FILENLINKS}\n]");
    assert!(names.contains("/usr/bin/other 2") && names.contains("/usr/bin/sample 2"), "{names}");
    assert_eq!(query("[%{REQUIRENEVRS}\n]").lines().filter(|line| line.contains("libc6")).count(), 1);
    assert!(query("[%{REQUIRENEVRS}\n]").contains("(a or b < 2-0)"));

    let database = work.path().join("db");
    let rpm_of = |words: &[&str], file: &Path| {
        let mut command = tool::command("rpm");
        command.arg("--dbpath").arg(&database).args(words).arg(file);
        tool::output(&mut command).unwrap()
    };
    rpm_of(&["--import"], &repo.join("repodata/repomd.xml.key"));
    let verified = String::from_utf8(rpm_of(&["-Kv"], &rpm)).unwrap();
    assert!(verified.contains("key ID 326e91f6: OK"), "{verified}");
}
