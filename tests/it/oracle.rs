//! The installed system is what rpm would have made: whole images held against rpm 4.20 of the test distribution itself
//! (`ENGINEERING` I.20 says what is compared). As `image` does, this needs `ROWI_DEBIAN_RPM`.

mod apart;
mod corpus;
mod labels;
mod ndb;
mod nodes;
mod purpose;
mod rpm;

use std::{collections::BTreeSet, path::Path};

use rowi::units::Epoch;

use crate::{
    image::{BENCH, Bench, KUBIC, run, text},
    place::is_all,
};
use rpm::Rpm;

#[test]
fn an_image_holds_what_rpm_installs() {
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    let faults = held_against_rpm(bench, &kubic.raw);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// All packages of the test distribution, in as few images as they can be installed in together; the solver divides them.
#[test]
fn every_package_is_installed_as_rpm_does() {
    if !is_all() {
        return;
    }
    let Some(bench) = &*BENCH else { return };
    let mut left = names(&bench.repository);
    let groups = co_installable(bench, &left);
    for (number, group) in groups.iter().enumerate() {
        let images =
            bench.image("kubic", &format!("group-{number}"), &group.iter().map(String::as_str).collect::<Vec<_>>());
        let faults = held_against_rpm(bench, &images.raw);
        assert!(faults.is_empty(), "group {number} of {}:\n{}", groups.len(), faults.join("\n"));
        let listed = fs_err::read_to_string(images.raw.with_extension("packages")).unwrap();
        left.retain(|name| !listed.lines().any(|nvra| nvra.rsplitn(3, '-').nth(2) == Some(name)));
        fs_err::remove_file(images.raw).unwrap();
    }
    assert!(left.is_empty(), "were in no image: {left:?}");
}

/// The names of a repository's packages.
fn names(repository: &Path) -> Vec<String> {
    let query = "exec rpm -qp --nosignature --qf '%{NAME}\\n' \"$1\"/*/*.rpm";
    let text = run("sh", &["-c", query, "sh", text(repository)]);
    let names: BTreeSet<String> = text.lines().map(str::to_owned).collect();
    assert!(names.len() > 300, "{names:?}");
    names.into_iter().collect()
}

/// Divides packages, given as options of a build, until the solver takes every group.
fn co_installable(bench: &Bench, names: &[String]) -> Vec<Vec<String>> {
    let options: Vec<String> = names.iter().flat_map(|name| ["--package".to_owned(), name.clone()]).collect();
    match bench.can_plan("kubic", &options.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => vec![options],
        Err(why) => {
            assert!(names.len() > 1, "{names:?} cannot be installed: {why}");
            let (one, other) = names.split_at(names.len() / 2);
            [co_installable(bench, one), co_installable(bench, other)].concat()
        }
    }
}

/// Every subvolume of the image, mounted by the kernel: type, owner, mode, time, attributes, capabilities, links and
/// bytes; then the database, by rpm's own answers.
fn held_against_rpm(bench: &Bench, raw: &Path) -> Vec<String> {
    let holder = tempfile::tempdir_in(&bench.folder).unwrap();
    let [at, target] = ["image", "target"].map(|name| holder.path().join(name));
    for folder in [&at, &target] {
        fs_err::create_dir(folder).unwrap();
    }
    let manifest = fs_err::read(raw.with_extension("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let epoch = Epoch(manifest["plan"]["epoch"].as_i64().unwrap());
    let listed = fs_err::read_to_string(raw.with_extension("packages")).unwrap();
    let files: Vec<String> = listed
        .lines()
        .filter(|nvra| !nvra.starts_with("gpg-pubkey-"))
        .map(|nvra| rpm::file_name(nvra).to_str().unwrap().to_owned())
        .collect();
    assert!(files.len() > 240, "{listed}");
    let mut faults = apart::apart(|| {
        apart::mount_image(raw, &at);
        let ours = nodes::walk(&at);
        assert!(ours.len() > 10_000, "{}", ours.len());
        let rpm = Rpm::new(&at, &bench.repository, &target);
        rpm.install(&files, &["--excludedocs"], &epoch.0.to_string());
        rpm.import("repodata/repomd.xml.key");
        let mut theirs = nodes::walk(&target);
        nodes::normalise(&mut theirs, &target, epoch);
        let mut faults = purpose::unintended(&nodes::differences(&ours, &theirs));
        faults.extend(databases(&rpm));
        faults
    });
    faults.truncate(200);
    faults
}

/// Where the two databases differ.
fn databases(rpm: &Rpm<'_>) -> Vec<String> {
    let mut faults = answers(rpm);
    let [ours, theirs] = rpm.both(&["-Va"]).map(|text| lines(&text));
    let is_told = |line: &&String| !purpose::is_intended(path_of(line)) && !rpm::MOUNTED.contains(&path_of(line));
    let differ = ours.symmetric_difference(&theirs).filter(is_told);
    faults.extend(differ.map(|line| format!("rpm -Va: {line}")));
    rpm.verify_databases();
    faults
}

/// Where rpm tells of the two databases differently: every tag of every header, and its scripts.
fn answers(rpm: &Rpm<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let [ours, theirs] = rpm.headers();
    for name in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let [ours, theirs] = [&ours, &theirs].map(|headers| headers.get(name).cloned().unwrap_or_default());
        faults.extend(ours.symmetric_difference(&theirs).map(|tag| format!("header of {name}: {tag}")));
    }
    assert!(ours.values().all(|tags| tags.len() > 8), "tags are missing: {ours:?}");
    for query in ["--scripts", "--triggers", "--filetriggers"] {
        let [ours, theirs] = rpm.both(&["-qa", query]).map(|text| lines(&text));
        faults.extend(ours.symmetric_difference(&theirs).map(|line| format!("rpm -qa {query}: {line}")));
    }
    faults
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

/// The path at the end of a line of `rpm -V`.
fn path_of(line: &str) -> &str {
    line.find('/').map_or(line, |at| &line[at..])
}
