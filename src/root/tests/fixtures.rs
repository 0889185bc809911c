//! Packages built for one question each, with scriptlets, against rpm.

use super::*;

/// Builds one package from the parts of a spec file after its preamble.
fn build(top: &Path, name: &str, spec: &str) -> PathBuf {
    let file = top.join(format!("{name}.spec"));
    let preamble = format!(
        "Name: {name}\nVersion: 1\nRelease: 1\nSummary: fixture\nLicense: MIT\nBuildArch: noarch\nAutoReqProv: no\n"
    );
    let text = format!("{preamble}{}", spec.trim_start());
    fs_err::write(
        &file,
        if spec.contains("%description") { text } else { text.replacen("%install", "%description\n%install", 1) },
    )
    .unwrap();
    let define = [
        format!("_topdir {}/{name}", top.display()),
        format!("_rpmdir {}/rpms", top.display()),
        "__os_install_post %{nil}".into(),
        "_build_id_links none".into(),
        "_binaries_in_noarch_packages_terminate_build 0".into(),
        "_binary_payload w1.zstdio".into(),
        "debug_package %{nil}".into(),
    ];
    let mut args: Vec<String> = vec!["-bb".into(), "--quiet".into()];
    args.extend(define.into_iter().flat_map(|define| ["--define".to_owned(), define]));
    args.push(file.display().to_string());
    let done = run("rpmbuild", args);
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    top.join(format!("rpms/noarch/{name}-1-1.noarch.rpm"))
}

/// A shell with what it is linked with, accounts, and a folder for notes.
fn base(top: &Path) -> PathBuf {
    let shell = "/bin/dash";
    let linked = String::from_utf8(run("ldd", [shell]).stdout).unwrap();
    let files: Vec<&str> = linked.split_whitespace().filter(|word| word.starts_with('/')).collect();
    let copies: String = files.iter().map(|file| format!("install -D {file} %{{buildroot}}{file}\n")).collect();
    build(
        top,
        "base",
        &format!(
            "Provides: /bin/sh\n%install\ninstall -D {shell} %{{buildroot}}/bin/sh\n{copies}mkdir -p %{{buildroot}}/etc %{{buildroot}}/notes\n\
             printf 'root:x:0:0::/root:/bin/sh\\ntester:x:1234:1235::/:/bin/sh\\n' > %{{buildroot}}/etc/passwd\n\
             printf 'root:x:0:\\ntesters:x:1235:\\n' > %{{buildroot}}/etc/group\n\
             %files\n/bin/sh\n{}\n%config(noreplace) /etc/passwd\n%config(noreplace) /etc/group\n%dir /notes\n",
            files.join("\n")
        ),
    )
}

/// Installs by both and gives what differs, with both results.
fn both(top: &Path, packages: &[PathBuf], options: &[&str]) -> (Vec<String>, Result<Assembled, Error>, Output) {
    let [ours, theirs, staging] = ["ours", "theirs", "staging"].map(|name| top.join(name));
    for folder in [&ours, &theirs, &staging] {
        fs_err::create_dir(folder).unwrap();
        fs_err::create_dir_all(folder.join("var/tmp")).unwrap();
    }
    let start = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let rpm = by_rpm(&theirs, packages, &[&["--nodeps"], options].concat());
    let mine = assemble(packages, &settings(), &ours, &staging, &mut Chroot(ours.clone()), &Report::default());
    (compare::differences(&ours, &theirs, &["/var/lib/rpm"], start as i64), mine, rpm)
}

fn same(spec: impl FnOnce(&Path) -> Vec<PathBuf>) -> Option<(tempfile::TempDir, Assembled)> {
    if !can(&["rpm", "rpmbuild", "ldd", "dash"]) {
        return None;
    }
    let top = tempfile::tempdir().unwrap();
    let packages = spec(top.path());
    let (differences, mine, rpm) = both(top.path(), &packages, &[]);
    assert!(rpm.status.success(), "{}", String::from_utf8_lossy(&rpm.stderr));
    let mine = mine.unwrap();
    assert_eq!(differences, Vec::<String>::new(), "{}", String::from_utf8_lossy(&rpm.stderr));
    Some((top, mine))
}

fn note(top: &tempfile::TempDir, name: &str) -> String {
    fs_err::read_to_string(top.path().join("ours/notes").join(name)).unwrap()
}

#[test]
fn every_kind_of_file_is_placed_as_rpm_places_it() {
    same(|top| {
        let kinds = build(
            top,
            "kinds",
            "%install
mkdir -p %{buildroot}/d/empty %{buildroot}/etc %{buildroot}/usr/share/doc
cd %{buildroot}/d; echo twice > one; ln one two; mkdir deep; ln one deep/three; ln -s ../etc link
echo set > suid; echo caps > caps; echo own > own; : > zero; echo c > %{buildroot}/etc/conf; echo d > %{buildroot}/usr/share/doc/d
%files
%attr(2770,tester,testers) %dir /d
%dir /d/empty
/d/one
/d/two
/d/deep
/d/link
%attr(4755,tester,root) /d/suid
%caps(cap_net_raw=ep) %attr(0750,root,testers) /d/caps
%attr(0640,nobodyknows,testers) /d/own
/d/zero
%config(noreplace) /etc/conf
%ghost /d/ghost
%doc /usr/share/doc/d
",
        );
        vec![base(top), kinds]
    });
}

#[test]
fn presets_are_marked_before_files_come() {
    let done = same(|top| {
        let unit = build(
            top,
            "unit",
            "Requires(pre): base
%install
mkdir -p %{buildroot}/usr/lib/systemd/system; echo '[Unit]' > %{buildroot}/usr/lib/systemd/system/x.service
%pre
if [ ! -e /usr/lib/systemd/system/x.service ]; then echo \"marked $1\" > /notes/marks; fi
%post
read mark < /notes/marks && echo \"preset $mark $1\" > /notes/preset
%posttrans
echo \"posttrans $1\" > /notes/last
%files
/usr/lib/systemd/system/x.service
",
        );
        vec![base(top), unit]
    });
    let Some((top, _)) = done else { return };
    assert_eq!(note(&top, "preset"), "preset marked 1 1\n");
    assert_eq!(note(&top, "last"), "posttrans 1\n");
}

#[test]
fn merging_usr_in_lua_comes_before_files_in_old_places() {
    let done = same(|top| {
        let merge = build(
            top,
            "merge",
            "%install
mkdir -p %{buildroot}/usr/sbin
%pre -p <lua>
if not posix.stat('/usr') then posix.mkdir('/usr') end
if not posix.stat('/usr/sbin') then posix.mkdir('/usr/sbin') end
if not posix.stat('/sbin') then assert(posix.symlink('usr/sbin', '/sbin')) end
assert(arg[2] == 1)
%files
%dir /usr/sbin
",
        );
        let tool = build(
            top,
            "tool",
            "Requires(pre): merge\n%install\nmkdir -p %{buildroot}/sbin; echo x > %{buildroot}/sbin/x\n%files\n/sbin/x\n",
        );
        vec![merge, tool]
    });
    let Some((top, _)) = done else { return };
    assert!(top.path().join("ours/usr/sbin/x").exists());
}

#[test]
fn triggers_run_with_rpms_arguments_in_rpms_order() {
    let done = same(|top| {
        let watcher = build(
            top,
            "watcher",
            "Requires(pre): base early
%install
mkdir -p %{buildroot}/watched; echo w > %{buildroot}/watched/own
%post
echo \"post watcher\" >> /notes/log
%triggerin -- source
echo \"triggerin $1 $2\" >> /notes/log
%triggerprein -- source
echo \"triggerprein $1 $2\" >> /notes/log
%filetriggerin -- /watched
echo file >> /notes/log; while read f; do echo \" $f\" >> /notes/log; done
%filetriggerin -P 100 -- /watched/late
echo late >> /notes/log; while read f; do echo \" $f\" >> /notes/log; done
%transfiletriggerin -- /watched /other
echo transaction >> /notes/log; while read f; do echo \" $f\" >> /notes/log; done
%files
%dir /watched
/watched/own
",
        );
        let source = build(
            top,
            "source",
            "Requires(pre): watcher
%install
mkdir -p %{buildroot}/watched/late %{buildroot}/other; for n in a late/b; do echo > %{buildroot}/watched/$n; done; echo > %{buildroot}/other/c
%post
echo \"post source\" >> /notes/log
%files
/watched/a
/watched/late
/other/c
",
        );
        let early = build(
            top,
            "early",
            "%install\nmkdir -p %{buildroot}/watched; echo > %{buildroot}/watched/early\n%files\n/watched/early\n",
        );
        vec![early, base(top), watcher, source]
    });
    let Some((top, _)) = done else { return };
    let log = note(&top, "log");
    let at = |line: &str| log.find(line).unwrap_or_else(|| panic!("no `{line}` in {log}"));
    assert!(at("triggerprein 1 0") < at("post source") && at("post source") < at("triggerin 1 1"));
    assert!(at("late\n") < at("transaction\n"));
}

#[test]
fn the_same_file_of_two_packages_is_shared_and_another_is_a_conflict() {
    let spec = |mode: &str, text: &str| {
        format!(
            "%install\nmkdir -p %{{buildroot}}/d; echo {text} > %{{buildroot}}/d/f\n%files\n%attr({mode},root,root) %dir /d\n/d/f\n"
        )
    };
    let clamp = |spec: &str| spec.replace("\n%files", "; touch -d @1700000000 %{buildroot}/d/f\n%files");
    same(|top| vec![build(top, "one", &clamp(&spec("0750", "x"))), build(top, "two", &spec("0750", "x"))]);
    for other in [spec("0755", "x"), spec("0750", "y")] {
        if !can(&["rpm", "rpmbuild"]) {
            return;
        }
        let top = tempfile::tempdir().unwrap();
        let packages = [build(top.path(), "one", &spec("0750", "x")), build(top.path(), "two", &other)];
        let (_, mine, rpm) = both(top.path(), &packages, &[]);
        assert!(!rpm.status.success());
        assert!(matches!(mine, Err(Error::Conflicts(list)) if list.len() == 1));
    }
}

#[test]
fn a_failing_pre_ends_the_build_and_a_failing_post_is_counted() {
    if !can(&["rpm", "rpmbuild", "ldd", "dash"]) {
        return;
    }
    let spec = |kind: &str| format!("Requires(pre): base\n%install\n%{kind}\necho no; exit 3\n%files\n");
    let install = |kind: &str, settings: &Settings| {
        let top = tempfile::tempdir().unwrap();
        let packages = [base(top.path()), build(top.path(), "bad", &spec(kind))];
        let [root, staging] = ["root", "staging"].map(|name| top.path().join(name));
        fs_err::create_dir(&root).unwrap();
        assemble(&packages, settings, &root, &staging, &mut Chroot(root.clone()), &Report::default())
    };
    let error = install("pre", &settings()).unwrap_err();
    assert_eq!(error.to_string(), "%pre of `bad-1-1.noarch` failed: exit status 3 (it said: no)");
    let done = install("post", &settings()).unwrap();
    assert_eq!((done.failures.len(), done.failures[0].end), (1, End::Exit(3)));
    let mut strict = settings();
    strict.install.strict_scriptlets = true;
    assert!(install("post", &strict).is_err());
    let reason =
        crate::profile::AllowedFailure { package: "bad".into(), scriptlet: "%post".into(), reason: "a test".into() };
    strict.install.allowed_failures = vec![reason];
    assert_eq!(install("post", &strict).unwrap().failures[0].allowed.as_deref(), Some("a test"));
}

#[test]
fn files_that_all_snapshots_share_are_told() {
    if !can(&["rpm", "rpmbuild", "ldd", "dash"]) {
        return;
    }
    let top = tempfile::tempdir().unwrap();
    let spec = "%install\nmkdir -p %{buildroot}/srv/empty %{buildroot}/usr/share; touch %{buildroot}/srv/data %{buildroot}/usr/share/data\n\
                ln -s data %{buildroot}/srv/link\n%files\n%dir /srv/empty\n/srv/data\n/srv/link\n%ghost /srv/made\n/usr/share/data\n";
    let packages = [base(top.path()), build(top.path(), "data", spec)];
    let [root, staging] = ["root", "staging"].map(|name| top.path().join(name));
    fs_err::create_dir(&root).unwrap();
    let settings = Settings { shared: vec![RelPath::new("srv").unwrap()], ..settings() };
    let done = assemble(&packages, &settings, &root, &staging, &mut Chroot(root.clone()), &Report::default()).unwrap();
    let paths = vec![RelPath::new("srv/data").unwrap()];
    assert_eq!(done.strays, [Stray { package: "data-1-1.noarch".into(), paths }]);
}
