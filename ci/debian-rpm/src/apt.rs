//! Debian's archive: the packages of a list with all that they depend on, without touching the host's apt.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::tool;

/// What is asked for, one package a line, with `[arch]` where it exists for one only and `[all]` where it is large.
const PACKAGES: &str = include_str!("../packages");

/// Where the host says that Debian's archive is.
const SOURCES: [&str; 2] = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];

const DEFAULT_MIRROR: &str = "http://deb.debian.org/debian";

/// The archive's keys, of the package debian-archive-keyring.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// How old package lists may get before they are asked for again.
const FRESH: Duration = Duration::from_secs(12 * 3600);

/// An apt of its own, below one folder.
#[derive(Debug)]
pub(crate) struct Apt {
    folder: PathBuf,
    /// In Debian's words.
    debian_arch: &'static str,
    arch: String,
    /// Whether the large ones are asked for, too.
    all: bool,
}

impl Apt {
    /// Prepares the folder for an architecture in RPM's words.
    pub(crate) fn new(folder: &Path, arch: &str, all: bool) -> Result<Self> {
        let debian_arch = match arch {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            _ => return Err(Error::Usage(format!("architecture `{arch}` is neither x86_64 nor aarch64"))),
        };
        if !Path::new(KEYRING).is_file() {
            return Err(Error::MissingTool { program: KEYRING, package: "debian-archive-keyring" });
        }
        for name in ["lists/partial", "archives/partial", "parts", "none"] {
            fs_err::create_dir_all(folder.join(name))?;
        }
        fs_err::write(folder.join("status"), "")?;
        let apt = Self { folder: fs_err::canonicalize(folder)?, debian_arch, arch: arch.to_owned(), all };
        let source = format!("deb [signed-by={KEYRING}] {} trixie main non-free-firmware\n", mirror());
        let list = apt.folder.join("parts/trixie.list");
        if fs_err::read_to_string(&list).ok().as_deref() != Some(source.as_str()) {
            fs_err::write(list, source)?;
            drop(fs_err::remove_file(apt.updated()));
        }
        Ok(apt)
    }

    /// Asks for the package lists, unless those here are fresh.
    pub(crate) fn update(&self, refresh: bool) -> Result<()> {
        let age = fs_err::metadata(self.updated()).and_then(|data| data.modified()).ok().map(|time| time.elapsed());
        if !refresh && matches!(age, Some(Ok(age)) if age < FRESH) {
            return Ok(());
        }
        tool::output(self.get().args(["update", "--error-on=any"]))?;
        Ok(fs_err::write(self.updated(), "")?)
    }

    /// Downloads what is missing, and returns the files of the whole choice.
    pub(crate) fn download(&self) -> Result<Vec<PathBuf>> {
        let plan = tool::output(self.install().arg("--simulate"))?;
        let plan = String::from_utf8_lossy(&plan);
        let files: Vec<_> =
            plan.lines().filter_map(chosen).map(|name| self.folder.join("archives").join(name)).collect();
        if files.iter().any(|file| !file.is_file()) {
            tool::output(self.install().arg("--download-only"))?;
        }
        if let Some(missing) = files.iter().find(|file| !file.is_file()) {
            return Err(Error::malformed(format!("`{}`", missing.display()), "was chosen, and apt did not bring it"));
        }
        Ok(files)
    }

    fn install(&self) -> Command {
        let mut command = self.get();
        command.args(["install", "--yes", "--no-install-recommends", "?essential"]).args(wanted(&self.arch, self.all));
        command
    }

    fn get(&self) -> Command {
        let mut command = tool::command("apt-get");
        let folder = self.folder.display();
        let mut option = |text: String| {
            command.arg("-o").arg(text);
        };
        option(format!("APT::Architecture={}", self.debian_arch));
        option(format!("APT::Architectures={}", self.debian_arch));
        for (key, name) in [
            ("Dir::State", ""),
            ("Dir::State::status", "status"),
            ("Dir::State::extended_states", "extended_states"),
            ("Dir::State::Lists", "lists"),
            ("Dir::Cache", ""),
            ("Dir::Cache::archives", "archives"),
            ("Dir::Etc::SourceList", "none/sources"),
            ("Dir::Etc::SourceParts", "parts"),
            ("Dir::Etc::Preferences", "none/preferences"),
            ("Dir::Etc::PreferencesParts", "none"),
        ] {
            option(format!("{key}={folder}/{name}"));
        }
        for text in ["Debug::NoLocking=1", "APT::Sandbox::User=", "APT::Install-Recommends=false", "quiet=1"] {
            option(text.to_owned());
        }
        command
    }

    fn updated(&self) -> PathBuf {
        self.folder.join("updated")
    }
}

/// The list's packages for an architecture.
fn wanted(arch: &str, all: bool) -> Vec<&'static str> {
    let lines = PACKAGES.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter_map(|line| package(line, arch, all)).collect()
}

fn package<'a>(line: &'a str, arch: &str, all: bool) -> Option<&'a str> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let is_met = |condition: &str| condition == arch || (all && condition == "all");
    words.next().is_none_or(|only| is_met(only.trim_matches(['[', ']']))).then_some(name)
}

/// The file of a line `Inst name (version archive [arch])`, as apt names it.
fn chosen(line: &str) -> Option<String> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    let version = rest.split(' ').next()?.replace(':', "%3a");
    let arch = rest.split_once('[')?.1.split(']').next()?;
    Some(format!("{name}_{version}_{arch}.deb"))
}

fn mirror() -> String {
    let given = std::env::var("DEBIAN_MIRROR").ok().filter(|text| !text.is_empty());
    let found = || SOURCES.iter().find_map(|file| fs_err::read_to_string(file).ok().as_deref().and_then(address));
    given.or_else(found).unwrap_or_else(|| DEFAULT_MIRROR.to_owned())
}

/// The first address of a sources file of either format.
fn address(sources: &str) -> Option<String> {
    sources.lines().find_map(|line| {
        let words = line.strip_prefix("URIs:").or_else(|| line.strip_prefix("deb "))?;
        words.split_whitespace().find(|word| word.contains("://")).map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apts_choice_names_its_files() {
        let table = [
            ("Inst libc6 (2.41-12 Debian:13/stable [amd64])", Some("libc6_2.41-12_amd64.deb")),
            ("Inst a (1:2-3 Debian:13/stable, Debian-Security:13 [all]) []", Some("a_1%3a2-3_all.deb")),
            ("Conf libc6 (2.41-12 Debian:13/stable [amd64])", None),
        ];
        for (line, expected) in table {
            assert_eq!(chosen(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn lines_of_the_list() {
        let table = [("a", Some("a")), ("a [x86_64]", Some("a")), ("a [aarch64]", None), ("", None)];
        for (line, expected) in table {
            assert_eq!(package(line, "x86_64", false), expected, "{line}");
        }
        assert_eq!((package("a [all]", "x86_64", false), package("a [all]", "x86_64", true)), (None, Some("a")));
        for arch in ["x86_64", "aarch64"] {
            assert!(wanted(arch, false).len() > 40 && wanted(arch, true).len() > wanted(arch, false).len(), "{arch}");
        }
    }

    #[test]
    fn sources_of_both_formats() {
        let table = [
            ("Types: deb\nURIs: http://a/debian http://b\n", Some("http://a/debian")),
            ("# deb http://no\ndeb [signed-by=/k] http://c/debian trixie main\n", Some("http://c/debian")),
            ("", None),
        ];
        for (sources, expected) in table {
            assert_eq!(address(sources).as_deref(), expected);
        }
    }
}
