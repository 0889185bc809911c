//! Bad input, through the program: a repository that cannot be had or was changed on the way, packages that nobody
//! trusted signed, disks that are full. Each error has its exit code, says what to do, and leaves nothing behind.
//!
//! The packages are those of the test distribution (`ROWI_DEBIAN_RPM`), in repositories of their own.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::{Path, PathBuf},
};

use assert_cmd::Command;

use crate::{
    desk::{Desk, Said},
    place::{skip, test_distribution},
};

/// The package that is damaged; it comes early in the alphabet and is small.
const VICTIM: &str = "base-files-";

/// A profile of a few packages, and a repository that may be spoilt: links to the test distribution's files.
struct Bench {
    desk: Desk,
}

impl Bench {
    fn new() -> Option<Self> {
        let from = test_distribution()?;
        let bench = Self { desk: Desk::new() };
        tool("cp", &["-r", "-L", path(&from), path(&bench.repository())]);
        let profile = "kind: profile\nname: small\ndistribution: debian-rpm\nplatform: vm\naccess: none\n\
                       layout: {subvolumes: [{path: /var, nodatacow: true}]}\n\
                       packages: {roles: [kernel], install: [base-files, debian-rpm-release]}\n";
        fs_err::write(bench.desk.folder().join("small.yaml"), profile).unwrap();
        Some(bench)
    }

    fn repository(&self) -> PathBuf {
        self.desk.folder().join("repository")
    }

    /// A build from the repository as it is now.
    fn build(&self, more: &[&str]) -> Said {
        self.build_from(&format!("dir:{}", self.repository().display()), more)
    }

    fn build_from(&self, url: &str, more: &[&str]) -> Said {
        let repository = format!("debian-rpm={url}");
        let args = ["build", "--profile", "./small.yaml", "--output", "results", "--repo", &repository];
        self.desk.run(&[&args[..], more].concat())
    }

    /// One file of the repository whose name begins so.
    fn file(&self, folder: &str, begins: &str) -> PathBuf {
        let entries = fs_err::read_dir(self.repository().join(folder)).unwrap().flatten().map(|entry| entry.path());
        let mut found: Vec<PathBuf> = entries.filter(|path| name(path).contains(begins)).collect();
        found.sort();
        found.into_iter().next().unwrap_or_else(|| panic!("no `{begins}` in {folder}"))
    }

    /// Nothing is left of a build that failed.
    fn is_clean(&self) {
        let results = self.desk.folder().join("results");
        assert!(!results.exists(), "a new folder of results stays");
        let work = self.desk.folder().join(".cache/rowi/work");
        assert_eq!(fs_err::read_dir(work).map_or(0, Iterator::count), 0, "half-made things stay");
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn tool(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn expect(said: &Said, code: i32, phrases: &[&str]) {
    assert_eq!(said.code, code, "{}", said.stderr);
    for phrase in phrases {
        assert!(said.stderr.contains(phrase), "no `{phrase}` in:\n{}", said.stderr);
    }
    assert!(said.stdout.is_empty(), "{}", said.stdout);
}

/// A server on the loopback that knows no file; ends with the test.
fn empty_server() -> String {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://{address}")
}

#[test]
fn a_repository_that_cannot_be_had_is_named() {
    let Some(bench) = Bench::new() else { return };
    let is_none = ["there is no repository `debian-rpm` at", "repodata/repomd.xml", "hint: check the address"];
    expect(&bench.build_from("dir:/nowhere/at/all", &[]), 2, &is_none);
    expect(&bench.build_from(&empty_server(), &[]), 2, &is_none);
    // A port that was free a moment ago.
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = ["cannot download `http://127.0.0.1", "Connection refused", "hint: `--offline`"];
    expect(&bench.build_from(&format!("http://{closed}"), &[]), 4, &refused);
    expect(&bench.build_from(&format!("http://{closed}"), &["--offline"]), 4, &["--offline"]);
    bench.is_clean();
}

/// What is done to a repository.
type Spoil = fn(&Bench);

#[test]
fn metadata_and_packages_that_were_changed_are_refused() {
    let Some(bench) = Bench::new() else { return };
    let cases: [(&str, Spoil, &[&str]); 7] = [
        (
            "metadata changed after it was signed",
            |bench| edit(&bench.file("repodata", "repomd.xml"), |text| text.replace("<revision>", "<revision>1")),
            &["the signature of repository `debian-rpm` is refused", "is not of this file", "3C38DEAF"],
        ),
        (
            "no signature",
            |bench| fs_err::remove_file(bench.file("repodata", "repomd.xml.asc")).unwrap(),
            &["the signature of repository `debian-rpm` is refused", "there is no signature", "hint: `verify:"],
        ),
        (
            "another list of packages",
            |bench| append(&bench.file("repodata", "primary.xml")),
            &["primary.xml", "is longer than", "hint: a mirror may be"],
        ),
        (
            "no list of packages",
            |bench| fs_err::remove_file(bench.file("repodata", "primary.xml")).unwrap(),
            &["lacks `repodata/", "primary.xml", "hint: a mirror may be"],
        ),
        (
            "a byte of a package",
            |bench| flip(&bench.file("x86_64", VICTIM), 40_000),
            &["base-files-", "has the wrong checksum", "expected sha256:", "got sha256:", "hint: a mirror may be"],
        ),
        (
            "half a package",
            |bench| truncate(&bench.file("x86_64", VICTIM)),
            &["base-files-", "is truncated: 30000 of", "hint: a mirror may be"],
        ),
        (
            "no package",
            |bench| fs_err::remove_file(bench.file("x86_64", VICTIM)).unwrap(),
            &["lacks `x86_64/base-files-", "hint: a mirror may be"],
        ),
    ];
    let (whole, kept) = (bench.repository(), bench.desk.folder().join("kept"));
    tool("cp", &["-r", path(&whole), path(&kept)]);
    for (what, spoil, phrases) in cases {
        spoil(&bench);
        let said = bench.build(&[]);
        assert_eq!(said.code, 1, "{what}: {}", said.stderr);
        expect(&said, 1, phrases);
        bench.is_clean();
        fs_err::remove_dir_all(&whole).unwrap();
        tool("cp", &["-r", path(&kept), path(&whole)]);
        // What was refused is not in the cache either: the next build must not find it there.
        fs_err::remove_dir_all(bench.desk.folder().join(".cache")).unwrap();
    }
}

fn edit(file: &Path, change: impl Fn(String) -> String) {
    fs_err::write(file, change(fs_err::read_to_string(file).unwrap())).unwrap();
}

fn append(file: &Path) {
    let mut bytes = fs_err::read(file).unwrap();
    bytes.push(b'x');
    fs_err::write(file, bytes).unwrap();
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs_err::read(file).unwrap();
    bytes[at] ^= 1;
    fs_err::write(file, bytes).unwrap();
}

fn truncate(file: &Path) {
    fs_err::OpenOptions::new().write(true).open(file).unwrap().set_len(30_000).unwrap();
}

/// Metadata that is right about packages that are not: unsigned, and signed by a key that the distribution has not.
#[test]
fn packages_that_nobody_trusted_signed_are_refused() {
    let Some(bench) = Bench::new() else { return };
    let packages = bench.desk.folder().join("packages.yaml");
    let own = include_str!("../../profiles/distributions/debian-rpm.yaml");
    let text = own.replace("verify: repository", "verify: packages").replace("name: debian-rpm", "name: packages");
    fs_err::write(&packages, text).unwrap();
    edit(&bench.desk.folder().join("small.yaml"), |text| {
        text.replace("distribution: debian-rpm", "distribution: ./packages.yaml")
    });
    let victim = bench.file("x86_64", VICTIM);
    let index = || {
        for file in fs_err::read_dir(bench.repository().join("repodata")).unwrap().flatten() {
            if !name(&file.path()).ends_with(".key") {
                fs_err::remove_file(file.path()).unwrap();
            }
        }
        let repository = bench.repository();
        tool("createrepo_c", &["--quiet", "--no-database", path(&repository)]);
    };

    tool("rpm", &["--delsign", path(&victim)]);
    index();
    let said = bench.build(&[]);
    expect(&said, 1, &["base-files", "signature"]);
    bench.is_clean();

    let home = tempfile::tempdir().unwrap();
    let gpg = ["--homedir", path(home.path()), "--batch", "--quiet", "--passphrase", ""];
    tool("gpg", &[&gpg[..], &["--quick-generate-key", "stranger@example.org", "rsa2048", "sign"]].concat());
    let defines = format!("_gpg_path {}", home.path().display());
    let signer = ["--define", "__gpg /usr/bin/gpg", "--define", &defines, "--define", "_gpg_name stranger@example.org"];
    tool("rpmsign", &[&["--addsign"], &signer[..], &[path(&victim)]].concat());
    index();
    let said = bench.build(&[]);
    expect(&said, 1, &["base-files", "key"]);
    bench.is_clean();
    // The switch that turns checks off says so.
    let said = bench.desk.run(&[
        "plan",
        "--profile",
        "./small.yaml",
        "--no-signatures",
        "--repo",
        &format!("debian-rpm=dir:{}", bench.repository().display()),
    ]);
    assert!(said.code == 0 && said.stderr.contains("warning: signatures are not looked at"), "{}", said.stderr);
}

/// Disks of a size of their own, in a mount namespace of its own.
fn on_small_disk(bench: &Bench, folder: &str, size: &str, more: &[&str]) -> Said {
    let script = "mkdir -p \"$1\" && mount -t tmpfs -o mode=0700,size=\"$2\" none \"$1\" && shift 2 && exec \"$@\"";
    let repository = format!("debian-rpm=dir:{}", bench.repository().display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-ec", script, "sh", folder, size, env!("CARGO_BIN_EXE_rowi")]);
    command.args(["build", "--profile", "./small.yaml", "--repo", &repository]).args(more);
    command.current_dir(bench.desk.folder()).env("HOME", bench.desk.folder()).env_remove("XDG_CACHE_HOME");
    bench.desk.said(&mut command)
}

#[test]
fn a_disk_without_room_is_told_at_once_or_when_it_is_full() {
    let Some(bench) = Bench::new() else { return };
    if !rustix::process::geteuid().is_root() {
        return skip("mounts need root").unwrap_or_default();
    }
    for (folder, option) in [("cache", "--cache"), ("work", "--work-dir"), ("results", "--output")] {
        let said = on_small_disk(&bench, folder, "20m", &[option, folder]);
        let hint = format!("hint: make room, or choose another place with `{option}`");
        expect(&said, 4, &[folder, "free, and this build needs about", &hint]);
        assert!(!said.stderr.contains("install …"), "before the first package: {}", said.stderr);
    }
    // Someone else fills the disk meanwhile: a file that grows while the build runs.
    for (folder, option) in [("work", "--work-dir"), ("results", "--output")] {
        let said = filled(&bench, folder, &[option, folder]);
        assert!(said.stderr.contains("No space left on device") || said.stderr.contains("disk is full"));
        expect(&said, 4, &["error: ", "hint: make room, or choose other places with"]);
    }
}

/// A build on a disk that has room when it begins and none when it writes.
fn filled(bench: &Bench, folder: &str, more: &[&str]) -> Said {
    let script = "mkdir -p \"$1\" && mount -t tmpfs -o mode=0700,size=2g none \"$1\" && folder=$1 && shift\n\
                  \"$@\" & build=$!\n\
                  sleep 1.5; head -c 2G /dev/zero >\"$folder/filler\" 2>/dev/null || :\n\
                  wait $build";
    let repository = format!("debian-rpm=dir:{}", bench.repository().display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, "sh", folder, env!("CARGO_BIN_EXE_rowi")]);
    command.args(["build", "--profile", "./small.yaml", "--repo", &repository]).args(more);
    command.current_dir(bench.desk.folder()).env("HOME", bench.desk.folder()).env_remove("XDG_CACHE_HOME");
    bench.desk.said(&mut command)
}
