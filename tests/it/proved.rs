//! Boots that CI makes only where what they depend on has changed since somebody made them: `ci/proved/NAME` holds the
//! digest of those folders at that time, and is committed by whoever ran the test.

use std::path::{Path, PathBuf};

use rowi::cache::Digest;

/// A boot that is seldom made, and the folders whose change makes it necessary.
pub(crate) struct Proved {
    name: &'static str,
    folders: &'static [&'static str],
}

/// The card of a Raspberry Pi 3 on `raspi3b`: the first boots of all take a quarter of an hour there.
pub(crate) const RASPI3B: Proved = Proved {
    name: "raspi3b",
    folders: &["src/boot", "src/disk", "src/system/boot", "profiles/platforms", "overlays/raspberrypi3"],
};

impl Proved {
    /// Whether the boot was made with these very files.
    #[expect(clippy::print_stderr, reason = "what is left out must be seen")]
    pub(crate) fn is_current(&self) -> bool {
        let kept = fs_err::read_to_string(self.file()).unwrap_or_default();
        let is_current = kept.trim() == self.digest();
        if is_current {
            eprintln!("left to `ci/test --all`: {} was booted with these very {}", self.name, self.folders.join(", "));
        }
        is_current
    }

    /// Writes down that it was made now.
    pub(crate) fn keep(&self) {
        fs_err::create_dir_all(self.file().parent().unwrap()).unwrap();
        fs_err::write(self.file(), self.digest() + "\n").unwrap();
    }

    fn file(&self) -> PathBuf {
        root().join("ci/proved").join(self.name)
    }

    /// Of all names and contents.
    fn digest(&self) -> String {
        let mut files = Vec::new();
        let mut folders: Vec<PathBuf> = self.folders.iter().map(|folder| root().join(folder)).collect();
        while let Some(folder) = folders.pop() {
            for entry in fs_err::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        let mut all = String::new();
        for file in files {
            let name = file.strip_prefix(root()).unwrap().display().to_string();
            all += &format!("{} {name}\n", Digest::of(&fs_err::read(&file).unwrap()));
        }
        Digest::of(all.as_bytes()).to_string()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
