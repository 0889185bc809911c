//! Killed without a word at every boundary between two stages, as root and as a user: no process, mount or half-written
//! output remains, an older result stays whole, and the work folder goes with the next command.
//!
//! Points within stages are `image::a_killed_build_leaves_nothing`'s.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use assert_cmd::Command;

use crate::place::{Place, USER, running};

/// How long processes may take to end.
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn killed_between_any_two_stages_nothing_is_left() {
    let Some(place) = Place::with_packages() else { return };
    for user in ["root", USER] {
        let small = place.small();
        let args = ["build", "--progress", "json", "--format", "qcow2", "--output", "results"];
        let args = [&args[..], &small.each_ref().map(String::as_str)].concat();
        let stages = stages_of(&mut start(&place, user, &args));
        assert!(stages.len() >= 7, "{stages:?}");
        let before = files(&place.home(user).join("results"));
        for stage in &stages {
            kill_at(&mut start(&place, user, &args), stage);
            let begun = Instant::now();
            while running(&place.rowi()) > 0 {
                assert!(begun.elapsed() < LIMIT, "{user}: processes live after the kill before `{stage}`");
                std::thread::sleep(Duration::from_millis(20));
            }
            assert_eq!(files(&place.home(user).join("results")), before, "{user}: killed before `{stage}`");
            let mounts = fs_err::read_to_string("/proc/self/mounts").unwrap();
            assert!(!mounts.contains(place.folder().to_str().unwrap()), "{mounts}");
            place.run("", user, &["cache", "verify"]).expect(0, &[]);
            let work = place.home(user).join(".cache/rowi/work");
            assert_eq!(fs_err::read_dir(work).unwrap().count(), 0, "{user}: killed before `{stage}`");
        }
        let sums = "cd results && sha256sum --quiet --check *.sha256";
        Command::new("sh").args(["-ec", sums]).current_dir(place.home(user)).assert().success();
    }
}

#[expect(clippy::disallowed_methods, reason = "a process that is killed while it is listened to")]
fn start(place: &Place, user: &str, args: &[&str]) -> Child {
    let command = place.command("", user, args);
    let mut started = std::process::Command::new(command.get_program());
    started.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    started.env_remove("XDG_CACHE_HOME").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The names of the stages that a build tells of, to its end.
fn stages_of(build: &mut Child) -> Vec<String> {
    let lines = BufReader::new(build.stderr.take().unwrap()).lines().map(Result::unwrap);
    let stages = lines.filter_map(|line| stage(&line)).collect();
    assert!(build.wait().unwrap().success());
    stages
}

fn stage(line: &str) -> Option<String> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    (event["event"] == "stage").then(|| event["name"].as_str().unwrap().to_owned())
}

/// Kills a build as soon as it says that a stage begins.
fn kill_at(build: &mut Child, name: &str) {
    let mut lines = BufReader::new(build.stderr.take().unwrap()).lines().map(Result::unwrap);
    let begins = lines.any(|line| stage(&line).is_some_and(|stage| stage == name));
    build.kill().unwrap();
    build.wait().unwrap();
    assert!(begins, "the build never came to `{name}`");
}

/// Names, sizes and times of what is in a folder.
fn files(folder: &Path) -> Vec<(std::ffi::OsString, u64, std::time::SystemTime)> {
    let entry = |entry: fs_err::DirEntry| {
        let kept = entry.metadata().unwrap();
        (entry.file_name(), kept.len(), kept.modified().unwrap())
    };
    let mut found: Vec<_> = fs_err::read_dir(folder).unwrap().map(|it| entry(it.unwrap())).collect();
    found.sort();
    found
}
