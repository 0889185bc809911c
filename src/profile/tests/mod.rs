//! Shipped files, the specification's files, and what is wrong with others.

mod faults;
mod language;
mod shipped;

use std::path::{Path, PathBuf};

use super::*;
use crate::report::{Diagnostic, Explain};

pub(super) fn choice(profile: &str, platform: &str, distribution: &str) -> Choice {
    Choice {
        profile: profile.into(),
        platform: Some(platform.into()),
        arch: (platform == "vm").then_some(Arch::X86_64),
        distribution: Some(distribution.into()),
        ..Choice::default()
    }
}

pub(super) fn loaded(choice: &Choice) -> Loaded {
    load(choice).unwrap_or_else(|faults| panic!("{faults}"))
}

/// A folder with one profile in it.
pub(super) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs_err::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        fs_err::write(&path, text).expect("a file");
        path
    }

    /// A profile `t` on top of microos that says `text`.
    pub(super) fn profile(&self, text: &str) -> Choice {
        let path = self.file("t.yaml", &format!("kind: profile\nname: t\nextends: [microos]\n{text}"));
        choice(path.to_str().expect("UTF-8"), "vm", "opensuse-tumbleweed")
    }

    /// What is wrong with that profile: line, message, hints.
    pub(super) fn faults(&self, text: &str) -> Vec<(u32, String, String)> {
        told(&self.profile(text))
            .iter()
            .map(|fault| {
                let place = fault.place.as_ref().expect("every fault has a place");
                assert!(place.column > 0 && !place.file.as_os_str().is_empty(), "{place}");
                (place.line, fault.message.clone(), fault.hints.join("; "))
            })
            .collect()
    }
}

pub(super) fn told(choice: &Choice) -> Vec<Diagnostic> {
    load(choice).err().map(|faults| faults.diagnostics()).unwrap_or_default()
}

pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
