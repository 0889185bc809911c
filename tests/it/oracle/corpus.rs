//! Every package file of the corpus, real ones of many distributions and ages and broken ones, one by one and without
//! scriptlets, against rpm 4.20 of the test distribution.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use rowi::{
    plan::Install,
    report::Report,
    root::{self, Job, Outcome, Runner, Settings},
    units::Epoch,
};

use super::{answers, apart, nodes, rpm::Rpm};
use crate::{
    image::{BENCH, KUBIC, text},
    place::corpus,
};

/// Where both keep the database of a root that says nothing else.
const DATABASE: &str = "/var/lib/rpm";

/// Later than any package.
const EPOCH: Epoch = Epoch(1_790_000_000);

/// Signatures and digests that rpm 4.20 does not know and rpm 6 stores, as rowi does (`rpmdb`'s tests hold it against rpm
/// 6.0.2): `OPENPGP` and `SHA3_256HEADER`.
const OF_RPM_6: [&str; 2] = [": name=\"[278]\"", ": name=\"[279]\""];

/// A signature of format 4, which rpm 4.20 stores of packages of format 6 too, and rpm 6 leaves out.
const OF_FORMAT_4: &str = ": name=\"Sigpgp\"";

/// Where accounts are, and backups and a lock that `useradd` leaves.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];

/// What became of a package.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Same,
    /// The same, but for [`OF_RPM_6`].
    SameAsRpm6,
    /// By both.
    Refused,
    /// By rowi alone: an image has no place for sources.
    IsSource,
    Differs(Vec<String>),
}

/// Files below these, that are no links: the corpus holds links as small text files.
const FOLDERS: [&str; 3] = ["rpms", "repodata", "broken"];

#[test]
fn packages_of_the_corpus_are_installed_as_rpm_installs_them() {
    let (Some(bench), Some(kubic), Some(corpus)) = (&*BENCH, &*KUBIC, corpus()) else { return };
    let holder = tempfile::tempdir_in(&bench.folder).unwrap();
    let [at, target] = ["image", "target"].map(|name| holder.path().join(name));
    for folder in [&at, &target] {
        fs_err::create_dir(folder).unwrap();
    }
    let packages: Vec<PathBuf> = FOLDERS.iter().flat_map(|folder| packages(&corpus, &corpus.join(folder))).collect();
    let fates: Vec<(&PathBuf, Fate)> = apart::apart(|| {
        apart::mount_image(&kubic.raw, &at);
        let rpm = Rpm::new(&at, &corpus, &target);
        packages.iter().map(|package| (package, held_against(&rpm, &corpus, package, &target))).collect()
    });
    let count = |wanted: Fate| fates.iter().filter(|(_, fate)| *fate == wanted).count();
    let [same, same_as_6, refused, sources] = [Fate::Same, Fate::SameAsRpm6, Fate::Refused, Fate::IsSource].map(count);
    let mut faults: Vec<String> = Vec::new();
    for (package, fate) in &fates {
        let Fate::Differs(how) = fate else { continue };
        faults.extend(how.iter().map(|how| format!("{}: {how}", package.display())));
    }
    let told = format!(
        "{same} packages are installed alike, {same_as_6} as rpm 6 does it; {refused} are refused by both, and {sources} \
         source packages"
    );
    faults.truncate(200);
    assert!(faults.is_empty(), "{told}; but\n{}", faults.join("\n"));
    assert!(same > 440 && same_as_6 > 0 && refused > 50, "{told}");
}

/// Package files below a folder, as paths in the corpus.
fn packages(corpus: &Path, folder: &Path) -> Vec<PathBuf> {
    const SHORTEST: u64 = 96; // the lead alone
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, metadata) = (entry.path(), entry.metadata().unwrap());
        if metadata.is_dir() {
            found.extend(packages(corpus, &path));
        } else if path.extension().is_some_and(|it| it == "rpm") && metadata.len() >= SHORTEST {
            found.push(path.strip_prefix(corpus).unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// Installs a package both ways, into folders of `target` that are gone afterwards.
fn held_against(rpm: &Rpm<'_>, corpus: &Path, package: &Path, target: &Path) -> Fate {
    let holder = tempfile::tempdir_in(target).unwrap();
    let [ours, theirs, staging] = ["ours", "theirs", "staging"].map(|name| holder.path().join(name));
    for folder in [&ours, &theirs, &staging] {
        fs_err::create_dir(folder).unwrap();
    }
    let within = |folder: &Path| folder.strip_prefix(target).unwrap().to_owned();
    let rpm = rpm.between([&within(&ours), &within(&theirs)], DATABASE);
    let done = rpm.place(package);
    let install = Install { docs: true, ..Install::default() };
    let settings = Settings { install, epoch: EPOCH, no_scriptlets: true, ..Settings::default() };
    let is_source = [".src.", ".nosrc."].iter().any(|arch| text(package).contains(arch));
    let package = [corpus.join(package)];
    match (root::assemble(&package, &settings, &ours, &staging, &mut Nobody, &Report::default()), done.is_success) {
        (Ok(_), true) => {
            let [mut one, mut other] = [&ours, &theirs].map(|root| nodes::walk(root));
            let mut faults = Vec::new();
            for nodes in [&mut one, &mut other] {
                nodes.retain(|path, _| !path.starts_with(DATABASE));
            }
            if other.contains_key(Path::new("/etc/.pwd.lock")) {
                let [one, other] =
                    [(&mut one, &ours), (&mut other, &theirs)].map(|(nodes, root)| accounts(nodes, root));
                assert!(!one.is_empty());
                faults.extend(one.symmetric_difference(&other).map(|account| format!("account {account}")));
            }
            let found = nodes::differences(&one, &other);
            let mut faults: Vec<String> =
                found.iter().map(|(path, how)| format!("{}: {how}", path.display())).collect();
            let stored = answers(&rpm);
            let is_new = |fault: &String| OF_RPM_6.iter().any(|tag| fault.contains(tag));
            let is_known =
                stored.iter().all(|fault| is_new(fault) || fault.contains(OF_FORMAT_4)) && stored.iter().any(is_new);
            match (faults.is_empty(), stored.is_empty()) {
                (true, true) => Fate::Same,
                (true, false) if is_known => Fate::SameAsRpm6,
                _ => {
                    faults.extend(stored);
                    Fate::Differs(faults)
                }
            }
        }
        (Err(_), false) => Fate::Refused,
        (Ok(_), false) => Fate::Differs(vec![format!("rpm refuses it: {}", done.said)]),
        (Err(error), true) if told(&error).ends_with("a source package") && is_source => Fate::IsSource,
        (Err(error), true) => Fate::Differs(vec![format!("rpm does it, but: {}", told(&error))]),
    }
}

/// Takes the files of accounts out of a tree: `useradd`, which rpm 4.20 calls, and systemd-sysusers, which Fedora's rpm and
/// rpm 6.1 call and rowi follows, give other shells and passwords. What they agree in: kind, name and numbers.
fn accounts(nodes: &mut nodes::Nodes, root: &Path) -> BTreeSet<String> {
    nodes::normalise(nodes, root, EPOCH); // backups and a lock
    nodes.retain(|path, _| !ACCOUNTS.iter().any(|file| path == Path::new(file)));
    let read = |file: &str, fields: &[usize]| -> Vec<String> {
        let text = fs_err::read_to_string(root.join("etc").join(file)).unwrap();
        let of = |line: &str| fields.iter().map(|at| line.split(':').nth(*at).unwrap().to_owned()).collect::<Vec<_>>();
        text.lines().map(|line| format!("{file} {}", of(line).join(":"))).collect()
    };
    [read("passwd", &[0, 2, 3, 4, 5]), read("group", &[0, 2, 3])].concat().into_iter().collect()
}

fn told(error: &dyn std::error::Error) -> String {
    let cause = error.source().map(|source| format!(": {}", told(source)));
    format!("{error}{}", cause.unwrap_or_default())
}

/// There are no scriptlets.
pub(super) struct Nobody;

impl Runner for Nobody {
    fn run(&mut self, job: &Job) -> io::Result<Outcome> {
        Err(io::Error::other(format!("`{}` is not to be run", job.name)))
    }
}
