//! The installed system is what rpm would have made: whole images held against rpm 4.20 of the test distribution itself
//! (`ENGINEERING` I.20 says what is compared). As `image` does, this needs `ROWI_DEBIAN_RPM`.

mod apart;
mod nodes;
mod purpose;
mod rpm;

use std::collections::BTreeSet;

use rowi::units::Epoch;

use crate::image::{BENCH, KUBIC};
use rpm::Rpm;

/// Every subvolume of the image, mounted by the kernel: type, owner, mode, time, attributes, capabilities, links and
/// bytes; then the database, by rpm's own answers.
#[test]
fn an_image_holds_what_rpm_installs() {
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    let holder = tempfile::tempdir_in(&bench.folder).unwrap();
    let [at, target] = ["image", "target"].map(|name| holder.path().join(name));
    for folder in [&at, &target] {
        fs_err::create_dir(folder).unwrap();
    }
    let manifest = fs_err::read(kubic.raw.with_extension("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let epoch = Epoch(manifest["plan"]["epoch"].as_i64().unwrap());
    let listed = fs_err::read_to_string(kubic.raw.with_extension("packages")).unwrap();
    let files: Vec<String> = listed
        .lines()
        .filter(|nvra| !nvra.starts_with("gpg-pubkey-"))
        .map(|nvra| rpm::file_name(nvra).to_str().unwrap().to_owned())
        .collect();
    assert!(files.len() > 240, "{listed}");
    let mut faults = apart::apart(|| {
        apart::mount_image(&kubic.raw, &at);
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
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Where the two databases differ.
fn databases(rpm: &Rpm<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let [ours, theirs] = rpm.headers();
    assert!(ours.len() > 240 && ours.keys().eq(theirs.keys()), "{:?} {:?}", ours.keys(), theirs.keys());
    assert!(ours.values().map(BTreeSet::len).sum::<usize>() > 40 * ours.len(), "tags are missing");
    for (name, tags) in &ours {
        let other = &theirs[name];
        faults.extend(tags.symmetric_difference(other).map(|tag| format!("header of {name}: {tag}")));
    }
    for query in ["--scripts", "--triggers", "--filetriggers"] {
        let [ours, theirs] = rpm.both(&["-qa", query]).map(|text| lines(&text));
        faults.extend(ours.symmetric_difference(&theirs).map(|line| format!("rpm -qa {query}: {line}")));
    }
    let [ours, theirs] = rpm.both(&["-Va"]).map(|text| lines(&text));
    let is_told = |line: &&String| !purpose::is_intended(path_of(line)) && !rpm::MOUNTED.contains(&path_of(line));
    let differ = ours.symmetric_difference(&theirs).filter(is_told);
    faults.extend(differ.map(|line| format!("rpm -Va: {line}")));
    rpm.verify_databases();
    faults
}

fn lines(text: &str) -> BTreeSet<String> {
    text.lines().map(str::to_owned).collect()
}

/// The path at the end of a line of `rpm -V`.
fn path_of(line: &str) -> &str {
    line.find('/').map_or(line, |at| &line[at..])
}
