//! Installs packages next to rpm and compares. Needs uid 0, rpm and rpmbuild.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::*;

mod chroot;
mod compare;
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

fn settings() -> Settings {
    let environment = BTreeMap::from([("INITRD".to_owned(), "No".to_owned())]);
    let install = Install { docs: true, environment, ..Install::default() };
    Settings { install, epoch: Epoch(1_790_000_000), ..Settings::default() }
}
