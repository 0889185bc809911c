//! Installs packages without scriptlets, in turn with `rpm -U --noscripts`, both to memory and both checking digests.
//!
//! Needs root. `cargo bench --bench install -- FOLDER [ROUNDS]`, where FOLDER holds the package files; `ci/bench/run`
//! makes one of the packages that KIWI's description installs.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rowi::{
    plan::Install,
    report::Report,
    root::{self, Job, Outcome, Runner, Settings},
};

/// A folder in memory (tmpfs on every Linux).
const MEMORY: &str = "/dev/shm";

/// Where the packages of the test distribution have it.
const DATABASE: &str = "/usr/lib/sysimage/rpm";

/// There are no scriptlets.
struct Nobody;

impl Runner for Nobody {
    fn run(&mut self, job: &Job) -> io::Result<Outcome> {
        Err(io::Error::other(format!("`{}` is not to be run", job.name)))
    }
}

fn by_rowi(packages: &[PathBuf], folder: &Path) {
    let (root, staging) = (folder.join("root"), folder.join("staging"));
    for folder in [&root, &staging] {
        fs_err::create_dir(folder).expect("a new folder");
    }
    let install = Install { docs: true, ..Install::default() };
    let settings = Settings { install, no_scriptlets: true, ..Settings::default() };
    root::assemble(packages, &settings, &root, &staging, &mut Nobody, &Report::default()).expect("an installation");
}

#[expect(clippy::disallowed_methods, reason = "the peer is another program")]
fn by_rpm(packages: &[PathBuf], folder: &Path) {
    let options = ["-U", "--noscripts", "--notriggers", "--nodeps", "--nosignature", "--dbpath", DATABASE];
    let status = Command::new("rpm").arg("--root").arg(folder).args(options).args(packages).status();
    assert!(status.expect("rpm").success(), "rpm fails");
}

/// Wall time of one installation into a new folder that is removed afterwards.
fn timed(install: fn(&[PathBuf], &Path), packages: &[PathBuf]) -> Duration {
    let folder = tempfile::Builder::new().prefix("rowi-bench-").tempdir_in(MEMORY).expect("a folder in memory");
    let begun = Instant::now();
    install(packages, folder.path());
    begun.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the figures are the result")]
fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let Some(folder) = args.first() else { return println!("left out: no folder of packages is given") };
    let rounds = args.get(1).map_or(5, |text| text.parse().expect("a number of rounds"));
    let entries = fs_err::read_dir(folder).expect("a folder of packages").flatten().map(|entry| entry.path());
    let mut packages: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|it| it == "rpm")).collect();
    packages.sort();
    let pairs: Vec<(f64, f64)> = (0..=rounds)
        .map(|_| (timed(by_rowi, &packages).as_secs_f64(), timed(by_rpm, &packages).as_secs_f64()))
        .skip(1) // the first fills the page cache
        .collect();
    let (rowi, rpm): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    println!("{} packages, median of {rounds}: rowi {:.2} s, rpm {:.2} s", packages.len(), median(rowi), median(rpm));
    println!("rowi / rpm, pair by pair: {:.2}", median(pairs.iter().map(|(rowi, rpm)| rowi / rpm).collect()));
}
