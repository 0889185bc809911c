//! Installs packages next to rpm and compares. Needs uid 0, rpm and rpmbuild.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::*;

mod chroot;
mod compare;
mod corpus;
mod fixtures;

use chroot::Chroot;

/// Whether the tools are there and may be used; says so where not.
fn can(tools: &[&str]) -> bool {
    let missing =
        tools.iter().find(|tool| !["/usr/bin", "/usr/sbin", "/bin"].iter().any(|at| Path::new(at).join(tool).exists()));
    let why = match missing {
        Some(tool) => format!("there is no {tool}"),
        None if !rustix::process::geteuid().is_root() => "this needs uid 0".to_owned(),
        None => return true,
    };
    assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "{why}");
    skip(&why);
    false
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}

#[expect(clippy::disallowed_methods, reason = "the tests' oracle is a program")]
fn run(program: &str, args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Output {
    Command::new(program).args(args).env("LC_ALL", "C.UTF-8").output().unwrap()
}

/// rpm's installation of the same packages, in the order in which they are given.
fn by_rpm(root: &Path, packages: &[PathBuf], options: &[&str]) -> Output {
    let fixed = ["--dbpath", "/var/lib/rpm", "-U", "--nosignature", "--ignorearch", "--ignoreos", "--ignoresize"];
    let mut args: Vec<&std::ffi::OsStr> = vec!["--root".as_ref(), root.as_ref()];
    args.extend(fixed.iter().chain(options).map(AsRef::<std::ffi::OsStr>::as_ref));
    args.extend(packages.iter().map(AsRef::<std::ffi::OsStr>::as_ref));
    run("rpm", args)
}

fn packages(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ext| ext == "rpm"));
    found.sort();
    found
}

fn settings() -> Settings {
    let environment = BTreeMap::from([("INITRD".to_owned(), "No".to_owned())]);
    let install = Install { docs: true, environment, ..Install::default() };
    Settings { install, epoch: Epoch(1_790_000_000), ..Settings::default() }
}

/// By hand: `ROWI_RPMS=folder ROWI_ROOT=new-folder cargo test --lib by_hand -- --ignored --nocapture`.
#[test]
#[expect(clippy::print_stderr, reason = "its user waits for the figures")]
#[ignore = "installs a folder of packages given in the environment"]
fn by_hand() {
    let folder = PathBuf::from(std::env::var_os("ROWI_RPMS").unwrap());
    let top = PathBuf::from(std::env::var_os("ROWI_ROOT").unwrap());
    let (root, staging) = (top.join("root"), top.join("staging"));
    for folder in [&root, &staging] {
        fs_err::create_dir_all(folder).unwrap();
    }
    let report = Report::new(|event| {
        if let crate::report::Event::Warning { text } = event {
            eprintln!("warning: {text}");
        }
    });
    let settings = Settings { no_scriptlets: std::env::var_os("ROWI_NOSCRIPTS").is_some(), ..settings() };
    let start = std::time::Instant::now();
    let done = assemble(&packages(&folder), &settings, &root, &staging, &mut Chroot(root.clone()), &report).unwrap();
    let (count, failed) = (done.installed.len(), done.failures.len());
    eprintln!("{count} packages, {} files, {failed} failures, {:?}", done.files, start.elapsed());
    let start = std::time::Instant::now();
    let mut tree = scan(&root).unwrap();
    eprintln!("scan: {} nodes, {:?}", tree.len(), start.elapsed());
    let start = std::time::Instant::now();
    normalise(&mut tree, settings.epoch);
    eprintln!("normalise: {} nodes, {:?}", tree.len(), start.elapsed());
    let order: Vec<String> = done.installed.iter().map(|it| format!("{}-{}.{}\n", it.name, it.evr, it.arch)).collect();
    fs_err::write(top.join("order"), order.concat()).unwrap();
}
