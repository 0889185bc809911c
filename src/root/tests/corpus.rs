//! Real packages of many distributions and ages, one by one without scriptlets, against rpm.

use super::*;
use crate::rpm::tests as rpm_tests;

/// Packages of the corpus that rpm 4.18 installs by itself; in every run a part of them, all where tools are required.
#[test]
fn packages_of_the_corpus_are_placed_as_rpm_places_them() {
    let Some(corpus) = rpm_tests::corpus() else { return };
    if !can(&["rpm"]) {
        return;
    }
    let step = if std::env::var_os("REQUIRE_TOOLS").is_some() { 1 } else { 12 };
    let all: Vec<PathBuf> = rpm_tests::packages(&corpus.join("rpms")).into_iter().step_by(step).collect();
    let results: Vec<Option<Vec<String>>> = all.par_iter().map(|package| compared(package)).collect();
    let faults: Vec<String> = (all.iter().zip(&results))
        .flat_map(|(package, result)| {
            result.iter().flatten().map(|fault| format!("{}: {fault}", package.file_name().unwrap().display()))
        })
        .collect();
    let compared = results.iter().flatten().count();
    assert!(faults.is_empty(), "{} of {compared} packages:\n{}", faults.len(), faults.join("\n"));
    assert!(compared > 0, "none of {} packages could be compared", all.len());
}

/// What differs, or nothing where rpm does not install it.
fn compared(package: &Path) -> Option<Vec<String>> {
    let holder = tempfile::tempdir().unwrap();
    let [ours, theirs, staging] = ["ours", "theirs", "staging"].map(|name| holder.path().join(name));
    for folder in [&ours, &theirs, &staging] {
        fs_err::create_dir(folder).unwrap();
    }
    let list = [package.to_owned()];
    // Links stored as text, damaged and source packages: `rpm`'s own tests have these. rpm 4.18 makes no accounts.
    let opened = Package::open(package).ok()?;
    if !crate::rpm::capabilities::sysusers(&opened.capabilities.provides).is_empty() {
        return None;
    }
    let done = by_rpm(&theirs, &list, &["--nodeps", "--noscripts", "--notriggers"]);
    let settings = Settings { no_scriptlets: true, ..settings() };
    let mine = assemble(&list, &settings, &ours, &staging, &mut Chroot(ours.clone()), &Report::default());
    match (done.status.success(), mine) {
        (true, Ok(_)) => Some(compare::differences(&ours, &theirs, &["/var/lib/rpm", "/var/lib"], i64::MAX)),
        (true, Err(error)) => {
            let error: &dyn std::error::Error = &error;
            Some(vec![format!("rpm does it, but: {error}: {:?}", error.source().map(ToString::to_string))])
        }
        // rpm refuses for what else is wrong with it: another system, a source package, an old digest.
        (false, _) => None,
    }
}
