//! Plans of shipped profiles held against those on record, without packages and container images: those are other
//! people's and change by the day.

use std::path::Path;

use serde_json::json;

use super::{Contents, Options, plan};
use crate::{
    inputs,
    profile::{self, Arch},
};

/// Profile, platform and architecture, distribution.
const RECORDED: [(&str, &str, Arch, &str); 8] = [
    ("microos", "vm", Arch::X86_64, "opensuse-tumbleweed"),
    ("microos", "vm", Arch::X86_64, "debian-rpm"),
    ("container-host", "vm", Arch::X86_64, "opensuse-tumbleweed"),
    ("container-host", "vm", Arch::X86_64, "debian-rpm"),
    ("kubic", "vm", Arch::X86_64, "opensuse-tumbleweed"),
    ("kubic", "vm", Arch::X86_64, "debian-rpm"),
    ("kubic", "vm", Arch::Aarch64, "opensuse-tumbleweed"),
    ("kubic", "raspberrypi3", Arch::Aarch64, "opensuse-tumbleweed"),
];

/// `ROWI_BLESS=1` writes what is instead; git shows what changed.
#[test]
fn plans_are_those_on_record() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/plan");
    let is_blessed = std::env::var_os("ROWI_BLESS").is_some();
    let mut changed = Vec::new();
    for (name, platform, arch, distribution) in RECORDED {
        let file = folder.join(format!("{name}-{platform}.{arch}-{distribution}.yaml"));
        let found = recorded(name, platform, arch, distribution);
        if is_blessed {
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(&file, &found).unwrap();
        }
        let expected = fs_err::read_to_string(&file).unwrap_or_default();
        if let Some(at) = difference(&expected, &found) {
            changed.push(format!("{}:{at}", file.display()));
        }
    }
    assert!(changed.is_empty(), "{}\nROWI_BLESS=1 cargo test --lib goldens, then git diff", changed.join("\n"));
}

/// The first line that differs, and what it is now.
fn difference(expected: &str, found: &str) -> Option<String> {
    let lines = || expected.lines().zip(found.lines()).enumerate();
    let (was, is) = (expected.lines().count(), found.lines().count());
    let first =
        lines().find(|(_, (was, is))| was != is).map(|(at, (was, is))| format!("{}: `{was}` is now `{is}`", at + 1));
    first.or_else(|| (was != is).then(|| format!("{}: it has {is} lines now", was.min(is) + 1)))
}

/// What is asked of the solver, what is left out, and the plan.
fn recorded(name: &str, platform: &str, arch: Arch, distribution: &str) -> String {
    let choice = profile::Choice {
        profile: name.into(),
        platform: Some(platform.into()),
        arch: Some(arch),
        distribution: Some(distribution.into()),
        ..Default::default()
    };
    let loaded = profile::load(&choice).unwrap();
    let profile = &loaded.profile;
    let folder = tempfile::tempdir().unwrap();
    let inputs = inputs::resolve(profile, folder.path()).unwrap();
    let plan = plan(profile, Contents::default(), &inputs, Options::default());
    let asked: Vec<&str> = profile.packages.install.iter().map(|request| request.what.as_str()).collect();
    let forbidden: Vec<&str> = profile.packages.forbid.iter().map(|request| request.what.as_str()).collect();
    let all = json!({
        "asked": asked, "forbidden": forbidden, "notes": profile.notes, "warnings": loaded.warnings, "plan": plan,
    });
    serde_yaml::to_string(&all).unwrap()
}
