mod corpus;
mod hostile;

use std::collections::BTreeMap;

use super::*;
use crate::repo::{Capability, Checksum, Dependencies, Offer, Package, Relation, Word, Words};

/// Packages from text: a line `name evr arch`, below it lines `kind: dependency, dependency`.
fn offer(alias: &str, priority: u32, text: &str) -> Offer {
    let mut offer = Offer::default();
    (offer.alias, offer.priority) = (alias.into(), priority);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(": ") {
            Some((kind, list)) => {
                let Offer { words, packages, .. } = &mut offer;
                add(words, packages.last_mut().unwrap(), kind, list);
            }
            None => {
                let mut parts = line.split(' ').map(|part| offer.words.add(part));
                let mut part = || parts.next().unwrap();
                let (name, evr, arch) = (part(), part(), part());
                drop(parts);
                offer.packages.push(package(name, evr, arch));
            }
        }
    }
    offer
}

fn package(name: Word, evr: Word, arch: Word) -> Package {
    let checksum = Checksum::parse("sha256", &"0".repeat(64)).unwrap();
    let (dependencies, files) = (Dependencies::default(), Vec::new());
    let location = "p.rpm".into();
    Package { name, evr, arch, checksum, location, size: 1, installed_size: 2, build_time: 3, dependencies, files }
}

fn add(words: &mut Words, package: &mut Package, kind: &str, list: &str) {
    let dependencies = &mut package.dependencies;
    let target = match kind {
        "provides" => &mut dependencies.provides,
        "requires" => &mut dependencies.requires,
        "conflicts" => &mut dependencies.conflicts,
        "obsoletes" => &mut dependencies.obsoletes,
        "recommends" => &mut dependencies.recommends,
        "supplements" => &mut dependencies.supplements,
        "files" => {
            package.files.extend(list.split(", ").map(|file| words.add(file)));
            return;
        }
        _ => panic!("{kind}"),
    };
    for one in list.split(", ") {
        let parts: Vec<&str> = if one.starts_with('(') { vec![one] } else { one.split(' ').collect() };
        target.push(match parts.as_slice() {
            [name, operator, version] => Capability {
                name: words.add(name),
                relation: Relation::from_operator(operator).unwrap(),
                version: words.add(version),
            },
            _ => Capability { name: words.add(one), ..Capability::default() },
        });
    }
}

fn requests(list: &[&str]) -> Vec<Request> {
    let place = |line| Place { file: "p.yaml".into(), line, column: 1 };
    list.iter()
        .enumerate()
        .map(|(at, what)| Request { what: (*what).into(), role: None, place: place(at as u32 + 1) })
        .collect()
}

fn wish(install: &[&str]) -> Wish {
    Wish {
        arch: Arch::X86_64,
        install: requests(install),
        forbid: Vec::new(),
        recommends: false,
        languages: Vec::new(),
        locked: Vec::new(),
    }
}

fn try_solve(wish: &Wish, offers: Vec<Offer>) -> Result<Resolution, Error> {
    solve(wish, &mut Packages { offers }, |_, _| Ok(()))
}

/// Names and versions of what is chosen.
fn solved(wish: &Wish, text: &str) -> String {
    shown(&try_solve(wish, vec![offer("oss", 99, text)]).unwrap())
}

fn shown(resolution: &Resolution) -> String {
    let packages = resolution.packages.iter();
    packages.map(|package| format!("{}-{}.{}", package.name, package.evr, package.arch)).collect::<Vec<_>>().join(" ")
}

fn problems(wish: &Wish, text: &str) -> Vec<String> {
    match try_solve(wish, vec![offer("oss", 99, text)]) {
        Err(error @ Error::Unsatisfiable { .. }) => {
            assert_eq!(error.exit(), Exit::Unsatisfiable);
            let shown = error.diagnostics().into_iter().map(|told| {
                let place = told.place.map(|place| place.to_string()).unwrap_or_default();
                format!("{place}: {}; {} | {}", told.message, told.because.join("; "), told.hints.join("; "))
            });
            shown.collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn kinds_of_requests() {
    let text = "
        bash 5-1 x86_64
        bash 4-1 x86_64
        dash 1-1 x86_64
          provides: sh
          files: /usr/bin/dash, /usr/bin/other
        patterns-base 1-1 noarch
          provides: pattern() = base
          requires: bash >= 5
        web 1-1 noarch
          requires: /usr/bin/dash
        foreign 1-1 aarch64";
    for (asked, chosen) in [
        ("bash", "bash-5-1.x86_64"),
        ("bash = 4", "bash-4-1.x86_64"),
        ("bash < 5-1", "bash-4-1.x86_64"),
        ("sh", "dash-1-1.x86_64"),
        ("/usr/bin/other", "dash-1-1.x86_64"),
        ("web", "dash-1-1.x86_64 web-1-1.noarch"),
        ("pattern:base", "bash-5-1.x86_64 patterns-base-1-1.noarch"),
        ("(zsh or dash)", "dash-1-1.x86_64"),
    ] {
        assert_eq!(solved(&wish(&[asked]), text), chosen, "{asked}");
    }
    let error = try_solve(&wish(&["bash", "a b"]), vec![offer("oss", 99, text)]).unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    assert_eq!(error.diagnostics()[0].place.as_ref().unwrap().line, 2);
}

#[test]
fn weak_dependencies_come_on_demand() {
    let text = "
        app 1-1 noarch
          recommends: docs
        docs 1-1 noarch
        extra 1-1 noarch
          supplements: app
        both 1-1 noarch
          supplements: packageand(app:docs)
        app-lang-de 1-1 noarch
          provides: locale(app:de)
        driver 1-1 noarch
          supplements: modalias(pci:v0000*)";
    assert_eq!(solved(&wish(&["app"]), text), "app-1-1.noarch");
    let with = |languages: &[&str]| Wish {
        recommends: true,
        languages: languages.iter().map(|language| (*language).to_owned()).collect(),
        ..wish(&["app"])
    };
    assert_eq!(solved(&with(&[]), text), "app-1-1.noarch both-1-1.noarch docs-1-1.noarch extra-1-1.noarch");
    assert!(solved(&with(&["de_DE", "de"]), text).contains("app-lang-de"));
    assert_eq!(languages("de_DE.UTF-8"), ["de_DE", "de"]);
    assert_eq!(languages("C.UTF-8"), [""; 0]);
}

#[test]
fn replaced_packages_give_way() {
    let text = "
        web 1-1 noarch
          requires: editor
        vi 1-1 noarch
          provides: editor
        vim 9-1 noarch
          provides: editor, vi = 9
          obsoletes: vi < 9";
    assert_eq!(solved(&wish(&["web", "vim"]), text), "vim-9-1.noarch web-1-1.noarch");
    let told = problems(&wish(&["vi = 1", "vim"]), text);
    assert!(told[0].contains("`vim-9-1.noarch` replaces `vi < 9`, which is `vi-1-1.noarch`"), "{told:?}");
}

#[test]
fn repositories_have_priorities() {
    let old = "bash 4-1 x86_64";
    let new = "bash 5-1 x86_64";
    let solved = |first, second| {
        shown(&try_solve(&wish(&["bash"]), vec![offer("a", first, old), offer("b", second, new)]).unwrap())
    };
    assert_eq!(solved(99, 99), "bash-5-1.x86_64");
    assert_eq!(solved(90, 99), "bash-4-1.x86_64");
    assert_eq!(solved(99, 1), "bash-5-1.x86_64");
}

#[test]
fn what_is_forbidden_or_locked_is_obeyed() {
    let text = "
        app 1-1 noarch
          requires: mta
        exim 1-1 noarch
          provides: mta
        postfix 1-1 noarch
          provides: mta
        postfix 2-1 noarch
          provides: mta";
    let forbid = |names: &[&str]| Wish { forbid: requests(names), ..wish(&["app"]) };
    assert_eq!(solved(&forbid(&["exim"]), text), "app-1-1.noarch postfix-2-1.noarch");
    assert_eq!(solved(&forbid(&["exim", "postfix >= 2"]), text), "app-1-1.noarch postfix-1-1.noarch");
    let told = problems(&forbid(&["mta", "exim", "postfix"]), text);
    assert!(told[0].contains("`postfix` is forbidden at p.yaml:3:1"), "{told:?}");
    assert!(told[0].contains("`app-1-1.noarch` requires `mta`"), "{told:?}");
    let pin = Pin { name: "postfix".into(), evr: "1-1".into(), arch: "noarch".into() };
    let locked = Wish { locked: vec![pin], ..forbid(&["exim"]) };
    assert_eq!(solved(&locked, text), "app-1-1.noarch postfix-1-1.noarch");
}

#[test]
fn problems_are_told() {
    let text = "
        podman 5-1 x86_64
          requires: conmon >= 2
        conmon 1-1 x86_64
        web 1-1 noarch
          requires: apache
        apache 1-1 noarch
          conflicts: nginx
        nginx 1-1 noarch
        foreign 1-1 aarch64";
    for (asked, told) in [
        (
            &["podman"][..],
            "p.yaml:1:1: the packages that are asked for cannot be installed; `podman` is asked for at p.yaml:1:1; \
             `podman-5-1.x86_64` requires `conmon >= 2`, which no repository has | ",
        ),
        (
            &["podmann"],
            "p.yaml:1:1: no repository has `podmann`, which is asked for at p.yaml:1:1;  | did you mean `podman`?",
        ),
        (
            &["conmon >= 2"],
            "p.yaml:1:1: no repository has `conmon >= 2`, which is asked for at p.yaml:1:1;  | `oss` has `conmon` 1-1 for x86_64",
        ),
        (
            &["web", "nginx"],
            "p.yaml:1:1: the packages that are asked for cannot be installed; `web` is asked for at p.yaml:1:1; `nginx` \
             is asked for at p.yaml:2:1; `web-1-1.noarch` requires `apache`; `apache-1-1.noarch` conflicts with `nginx`, \
             which is `nginx-1-1.noarch` | ",
        ),
        (
            &["foreign"],
            "p.yaml:1:1: no repository has `foreign`, which is asked for at p.yaml:1:1;  | `oss` has `foreign` 1-1 for aarch64",
        ),
    ] {
        assert_eq!(problems(&wish(asked), text), [told], "{asked:?}");
    }
}

#[test]
fn everyone_knows_why_it_is_there() {
    let text = "
        app 1-1 noarch
          requires: lib, /bin/sh, (tool if lib)
          recommends: docs
        lib 1-1 noarch
          requires: base >= 1
        base 1-1 noarch
        bash 1-1 noarch
          files: /bin/sh
        tool 1-1 noarch
        docs 1-1 noarch
        skin 1-1 noarch
          supplements: docs";
    let resolution = try_solve(&Wish { recommends: true, ..wish(&["app"]) }, vec![offer("oss", 99, text)]).unwrap();
    let reasons: BTreeMap<_, _> = resolution
        .packages
        .iter()
        .map(|package| {
            let reason = package.reason.as_ref();
            let told = reason.map(|reason| format!("{} {} {}", reason.package, reason.how, reason.dependency));
            (package.name.as_str(), told.unwrap_or_else(|| package.asked[0].to_string()))
        })
        .collect();
    let told: Vec<String> = reasons.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    assert_eq!(
        told,
        [
            "app: p.yaml:1:1",
            "base: lib requires base >= 1",
            "bash: app requires /bin/sh",
            "docs: app recommends docs",
            "lib: app requires lib",
            "skin: docs supplements docs",
            "tool: app requires (tool if lib)",
        ]
    );
    let way: Vec<&str> = resolution.why("base").iter().map(|package| package.name.as_str()).collect();
    assert_eq!(way, ["app", "lib", "base"]);
    assert_eq!(resolution.epoch(), Epoch(3));
    assert_eq!(resolution.to_plan().unwrap().len(), 7);
}
