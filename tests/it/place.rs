//! A folder that every user of this machine may enter, with the program, a home for each, and a small profile.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use assert_cmd::Command;

/// The ordinary user with subordinate ids that `ci/test` makes.
pub(crate) const USER: &str = "rowi-test";

#[expect(clippy::print_stderr, reason = "a skipped test is seen")]
pub(crate) fn skip<T>(why: &str) -> Option<T> {
    assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "{why}");
    eprintln!("skipped: {why}");
    None
}

/// Whether the whole matrix is asked for (`ci/test --all`); says so where not.
#[expect(clippy::print_stderr, reason = "what is left out must be seen")]
pub(crate) fn is_all() -> bool {
    let is_all = std::env::var_os("ROWI_ALL").is_some();
    if !is_all {
        eprintln!("left to `ci/test --all`: ROWI_ALL is not set");
    }
    is_all
}

/// The repository of the test distribution for this machine, in the folder that `ci/debian-rpm` filled and
/// `ROWI_DEBIAN_RPM` names.
pub(crate) fn test_distribution() -> Option<PathBuf> {
    let Some(given) = std::env::var_os("ROWI_DEBIAN_RPM") else { return skip("ROWI_DEBIAN_RPM is not set") };
    let repository = std::path::absolute(given).unwrap().join(rowi::profile::Arch::host().as_str());
    if !repository.join("repodata/repomd.xml").exists() {
        return skip(&format!("there is no repository in `{}`", repository.display()));
    }
    Some(repository)
}

/// The corpus of other people's packages, metadata and databases beside the project.
pub(crate) fn corpus() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if folder.is_dir() { Some(folder) } else { skip("there is no ../shared/corpus") }
}

/// A folder that every user may enter, with the program.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return skip("namespaces like a container's need root");
        }
        let place = Self(tempfile::Builder::new().prefix("rowi-doctor-").tempdir_in("/var/tmp").unwrap());
        fs_err::set_permissions(place.0.path(), PermissionsExt::from_mode(0o777)).unwrap();
        fs_err::copy(env!("CARGO_BIN_EXE_rowi"), place.rowi()).unwrap();
        Some(place)
    }

    /// With the test distribution, and a profile of a few of its packages.
    pub(crate) fn with_packages() -> Option<Self> {
        let from = test_distribution()?;
        let place = Self::new()?;
        let repository = place.0.path().join("repository");
        Command::new("cp").args(["-r", "-L"]).args([&from, &repository]).assert().success();
        Command::new("chmod").args(["-R", "a+rX"]).arg(&repository).assert().success();
        let text = "kind: profile\nname: small\ndistribution: debian-rpm\nplatform: vm\naccess: none\n\
                    layout: {subvolumes: [{path: /var, nodatacow: true}]}\n\
                    packages: {roles: [kernel], install: [base-files, debian-rpm-release]}\n";
        fs_err::write(place.0.path().join("small.yaml"), text).unwrap();
        Some(place)
    }

    /// Arguments that name that profile and those packages.
    pub(crate) fn small(&self) -> [String; 4] {
        let folder = self.0.path().display();
        [
            "--profile".into(),
            format!("{folder}/small.yaml"),
            "--repo".into(),
            format!("debian-rpm=dir:{folder}/repository"),
        ]
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// A user's own folder, in which the program runs.
    pub(crate) fn home(&self, user: &str) -> PathBuf {
        self.0.path().join(user)
    }

    pub(crate) fn rowi(&self) -> PathBuf {
        self.0.path().join("rowi")
    }

    /// Runs the program as a user with a home here, `before` by the shell in a mount namespace of its own.
    pub(crate) fn run(&self, before: &str, user: &str, args: &[&str]) -> Said {
        Said::of(&mut self.command(before, user, args))
    }

    /// The same, to be started otherwise.
    pub(crate) fn command(&self, before: &str, user: &str, args: &[&str]) -> Command {
        let home = self.home(user);
        fs_err::create_dir_all(&home).unwrap();
        fs_err::set_permissions(&home, PermissionsExt::from_mode(0o777)).unwrap();
        let script = format!(
            "{before}\nuser=$1; shift; cd \"$HOME\"\n\
             [ \"$user\" != root ] || exec \"$@\"\n\
             exec setpriv --reuid \"$user\" --regid \"$(id -g \"$user\")\" --init-groups \"$@\""
        );
        let mut command = Command::new(if before.is_empty() { "env" } else { "unshare" });
        command.args(if before.is_empty() { [].as_slice() } else { &["--mount"] });
        command.args(["sh", "-ec", &script, "sh", user]).arg(self.rowi()).args(args);
        command.env("HOME", &home).env_remove("XDG_CACHE_HOME");
        command
    }
}

pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    pub(crate) fn expect(&self, code: i32, phrases: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.code, Some(code), "{all}");
        for phrase in phrases {
            assert!(all.contains(phrase), "no `{phrase}` in:\n{all}");
        }
    }
}

/// Processes that run a program.
pub(crate) fn running(program: &Path) -> usize {
    let processes = fs_err::read_dir("/proc").unwrap().flatten();
    processes.filter(|entry| fs_err::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program)).count()
}
