//! Jobs on real repositories, with the answers of libsolv's own tools and of dnf.

use std::path::{Path, PathBuf};

use super::*;
use crate::{
    cache::Cache,
    profile::{Distribution, OnImage, Repository, Traits, Verify},
    repo::Access,
    report::Report,
};

#[expect(clippy::print_stderr, reason = "a skipped test is seen")]
fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !folder.exists() {
        assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "there is no ../shared/corpus");
        eprintln!("skipped: there is no ../shared/corpus");
    }
    folder.exists().then_some(folder)
}

fn distribution(folders: &[(&str, PathBuf)]) -> Distribution {
    let repository = |(alias, folder): &(&str, PathBuf)| Repository {
        alias: (*alias).into(),
        url: format!("dir:{}", folder.display()),
        priority: 99,
        build: true,
        on_image: OnImage::Absent,
        verify: Verify::Checksums,
    };
    Distribution {
        name: "corpus".into(),
        repositories: folders.iter().map(repository).collect(),
        keys: Vec::new(),
        traits: Traits::default(),
        environment: BTreeMap::new(),
        allowed_failures: Vec::new(),
        paths: BTreeMap::new(),
        absent: BTreeMap::new(),
        boot_files: Vec::new(),
        native: Default::default(),
    }
}

fn load(folders: &[(&str, PathBuf)]) -> Packages {
    let base = tempfile::tempdir().unwrap();
    let cache = Cache::open(base.path().join("cache")).unwrap();
    repo::load(&distribution(folders), &Access::new(&cache, &Report::default())).unwrap()
}

/// One job of libsolv's testcase format, and its answer.
#[derive(Debug, Default)]
struct Case {
    name: String,
    arch: String,
    recommends: bool,
    install: Vec<String>,
    forbid: Vec<String>,
    result: PathBuf,
}

fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "t") {
            continue;
        }
        let mut case = Case { name: path.display().to_string(), recommends: true, ..Case::default() };
        for line in fs_err::read_to_string(&path).unwrap().lines() {
            match line.split(' ').collect::<Vec<_>>().as_slice() {
                ["system", arch, ..] => case.arch = (*arch).into(),
                ["solverflags", flags] => case.recommends = !flags.contains("ignorerecommended"),
                ["job", "install", "name" | "provides", asked @ ..] => case.install.push(asked.join(" ")),
                ["job", "lock", "name", asked @ ..] => case.forbid.push(asked.join(" ")),
                ["result", _, file] => case.result = folder.join(file),
                _ => {}
            }
        }
        cases.push(case);
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

/// The packages that libsolv would install, or nothing where it has a problem.
fn answer(case: &Case) -> Option<Vec<String>> {
    let text = fs_err::read_to_string(&case.result).unwrap();
    if text.lines().any(|line| line.starts_with("problem")) {
        return None;
    }
    // `pattern:` and `product:` are made up by openSUSE's build of libsolv; here they are their packages.
    let real = |line: &&str| !line.contains(":") || line.split(':').next().is_some_and(|name| name.contains('-'));
    let installed = text.lines().filter_map(|line| line.strip_prefix("install ")).filter(real);
    let mut installed: Vec<String> = installed.map(|line| line.split('@').next().unwrap_or(line).to_owned()).collect();
    installed.sort();
    Some(installed)
}

fn check(name: &str, folders: &[(&str, PathBuf)]) -> (usize, Vec<String>) {
    let Some(corpus) = corpus() else { return (0, Vec::new()) };
    let folders: Vec<_> = folders.iter().map(|(alias, path)| (*alias, corpus.join("repodata").join(path))).collect();
    let packages = load(&folders);
    let (mut same, mut differ) = (0, Vec::new());
    // CI runs all; by hand every third is quick.
    let step = if std::env::var_os("REQUIRE_TOOLS").is_some() { 1 } else { 3 };
    for case in cases(&corpus.join("solver/derived").join(name)).into_iter().step_by(step) {
        let asked: Vec<&str> = case.install.iter().map(String::as_str).collect();
        let forbid: Vec<&str> = case.forbid.iter().map(String::as_str).collect();
        let wish = Wish { recommends: case.recommends, forbid: requests(&forbid), ..wish(&asked) };
        let resolution = Attempt { wish: &wish, packages: &packages, arch: &case.arch }.run();
        let got = resolution.ok().map(|resolution| {
            let mut got: Vec<String> = shown(&resolution).split_whitespace().map(str::to_owned).collect();
            got.sort();
            got
        });
        let expected = answer(&case);
        if got == expected {
            same += 1;
        } else {
            let (got, expected) = (got.unwrap_or_default(), expected.unwrap_or_default());
            let more: Vec<_> = got.iter().filter(|name| !expected.contains(name)).collect();
            let less: Vec<_> = expected.iter().filter(|name| !got.contains(name)).collect();
            differ.push(format!("{}: +{more:?} -{less:?}", case.name));
        }
    }
    (same, differ)
}

const SLE: [(&str, &str); 3] = [
    ("base", "sle15sp1/Module-Basesystem"),
    ("sles", "sle15sp1/Product-SLES"),
    ("srv", "sle15sp1/Module-Server-Applications"),
];

#[test]
fn real_jobs_have_libsolvs_answers() {
    let families: [(&str, &[(&str, &str)]); 5] = [
        ("centos9-baseos", &[("baseos", "centos9-baseos")]),
        ("k1om", &[("mpss", "k1om")]),
        ("tizen-armv7l", &[("tizen", "repos/tizen-armv7l")]),
        ("sle15sp1", &SLE),
        ("sle15sp1-autopattern", &SLE),
    ];
    std::thread::scope(|scope| {
        for (name, folders) in families {
            scope.spawn(move || {
                let folders: Vec<_> = folders.iter().map(|(alias, path)| (*alias, PathBuf::from(path))).collect();
                let (same, differ) = check(name, &folders);
                assert!(differ.is_empty(), "{name}: {same} same\n{}", differ.join("\n"));
                assert!(same > 5 || corpus().is_none(), "{name}: {same}");
            });
        }
    });
}

/// A scenario of dnf's own tests that is one installation into an empty root.
#[derive(Debug, Default)]
struct Scenario {
    name: String,
    repositories: Vec<String>,
    install: Vec<String>,
    forbid: Vec<String>,
    expected: Vec<String>,
    exit: Option<i32>,
    /// Steps that are not of this kind were seen.
    other: bool,
}

fn scenarios(feature: &Path) -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut background = Scenario::default();
    for line in fs_err::read_to_string(feature).unwrap().lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("Scenario") {
            let (name, repositories) = (format!("{}: {name}", feature.display()), background.repositories.clone());
            scenarios.push(Scenario { name, repositories, ..Scenario::default() });
            continue;
        }
        let scenario = scenarios.last_mut().unwrap_or(&mut background);
        let quoted = line.split_once('"').and_then(|(_, rest)| rest.rsplit_once('"')).map(|(text, _)| text);
        if line.contains("I use the repository") {
            scenario.repositories.extend(quoted.map(str::to_owned));
        } else if let Some(arguments) = quoted.filter(|_| line.contains("I execute dnf with args")) {
            scenario.other |= !scenario.install.is_empty() || !arguments.starts_with("install ");
            arguments_of(arguments, scenario);
        } else if let Some(code) = line.rsplit_once("the exit code is ") {
            scenario.exit = code.1.parse().ok();
        } else if line.starts_with("| install") {
            let package = line.split('|').nth(2).unwrap_or_default().trim();
            scenario.expected.push(package.replacen("-0:", "-", 1));
        } else if line.starts_with("Given") || line.starts_with("When") || line.starts_with("Examples") {
            scenario.other = true;
        }
    }
    scenarios
}

fn arguments_of(arguments: &str, scenario: &mut Scenario) {
    let arguments = arguments.trim_start_matches("install ");
    if let Some(whole) = arguments.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        scenario.install.push(whole.to_owned());
        return;
    }
    let mut words = arguments.split_whitespace();
    while let Some(word) = words.next() {
        match word {
            "--exclude" => scenario.forbid.extend(words.next().map(str::to_owned)),
            word => scenario.install.push(word.to_owned()),
        }
    }
}

#[test]
fn dnfs_scenarios_have_dnfs_answers() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("solver/ci-dnf-stack-2019");
    let mut judged = 0;
    for feature in ["install-exclude", "install-provides", "rich-dependencies", "obsoletes"] {
        for mut scenario in scenarios(&folder.join(format!("features/{feature}.feature"))) {
            let words: Vec<&str> = scenario.install.iter().chain(&scenario.forbid).map(String::as_str).collect();
            if scenario.other || words.iter().any(|word| word.starts_with("--") || word.contains(['*', '<', '$'])) {
                continue;
            }
            let folders: Vec<_> = scenario
                .repositories
                .iter()
                .map(|name| (name.as_str(), folder.join("fixtures/repos").join(name)))
                .collect();
            let packages = load(&folders);
            let install: Vec<&str> = scenario.install.iter().map(String::as_str).collect();
            let forbid: Vec<&str> = scenario.forbid.iter().map(String::as_str).collect();
            let wish = Wish { recommends: true, forbid: requests(&forbid), ..wish(&install) };
            let result = Attempt { wish: &wish, packages: &packages, arch: "x86_64" }.run();
            scenario.expected.sort();
            // zypper installs what is named; dnf takes what replaces it.
            if scenario.name.ends_with(": Install of obsoleted package") {
                continue;
            }
            match result {
                Ok(resolution) => assert_eq!(shown(&resolution), scenario.expected.join(" "), "{}", scenario.name),
                Err(error) => assert!(scenario.exit == Some(1), "{}: {error}", scenario.name),
            }
            judged += 1;
        }
    }
    assert!(judged >= 12, "{judged}");
}
