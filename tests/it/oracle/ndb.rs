//! rpm itself, built with the backend that Debian leaves out, opens, asks and changes the ndb databases that rowi writes.
//! `ROWI_RPM_NDB` names its folder (`ci/rpm-ndb` prints it).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use assert_cmd::Command;
use rowi::{
    plan::Install,
    report::Report,
    root::{self, Settings},
    rpm::Header,
    rpmdb::{self, Backend, Database, ndb},
    units::Epoch,
};

use super::{
    apart::{apart, mount_image},
    corpus::Nobody,
};
use crate::{
    image::{BENCH, Bench, Images, Who, run, text},
    place::{corpus, skip, test_distribution},
};

/// Where both keep the database of a root that says nothing else.
const DATABASE: &str = "var/lib/rpm";
/// Another one, so that rpm's own place is not the one that is tested.
const OTHER: &str = "usr/lib/other";

/// This rpm knows no OpenPGP: `RPMVSF_MASK_NOSIGNATURES` and bit 12 (rpm 4.20, `include/rpm/rpmts.h`).
const NO_SIGNATURES: &str = "0xc1c00";

/// A package that says that the installed system's rpm has ndb. Its file is older than the package's build, as those of
/// every distribution are: an image holds nothing newer than the newest build.
const SPEC: &str = "Name: ndb-macros
Version: 1
Release: 1
Summary: The database of rpm is ndb
License: MIT
BuildArch: noarch
%description
%{summary}.
%install
mkdir -p %{buildroot}/usr/lib/rpm/macros.d
echo '%%_db_backend ndb' > %{buildroot}/usr/lib/rpm/macros.d/macros.ndb
touch -d @1 %{buildroot}/usr/lib/rpm/macros.d/macros.ndb
%files
/usr/lib/rpm/macros.d/macros.ndb
";

/// A package with a file that no update carries, and a script that works where it lies.
const STRAY: &str = "Name: stray
Version: 1
Release: 1
Summary: Outside of the snapshot
License: MIT
BuildArch: noarch
%description
%{summary}.
%install
mkdir -p %{buildroot}/srv
echo x > %{buildroot}/srv/stray
touch -d @1 %{buildroot}/srv/stray
%post
mkdir -p /var/lib/stray
%files
/srv/stray
";

/// A root, and the rpm that looks at it.
struct Judge {
    rpm: PathBuf,
    root: tempfile::TempDir,
}

impl Judge {
    /// An empty root.
    fn empty() -> Option<Self> {
        let Some(rpm) = std::env::var_os("ROWI_RPM_NDB") else { return skip("ROWI_RPM_NDB is not set") };
        if !rustix::process::geteuid().is_root() {
            return skip("owners need root");
        }
        Some(Self { rpm: rpm.into(), root: tempfile::tempdir_in("/var/tmp").unwrap() })
    }

    /// A root with these packages in it.
    fn new(packages: &[PathBuf]) -> Option<Self> {
        let judge = Self::empty()?;
        let staging = tempfile::tempdir_in("/var/tmp").unwrap();
        let install = Install { docs: true, rpmdb: Backend::Ndb, ..Install::default() };
        let settings = Settings { install, epoch: Epoch(1_790_000_000), no_scriptlets: true, ..Settings::default() };
        let root = judge.root.path();
        root::assemble(packages, &settings, root, staging.path(), &mut Nobody, &Report::default()).unwrap();
        Some(judge)
    }

    fn files(&self, database: &str) -> BTreeSet<String> {
        let entries = fs_err::read_dir(self.root.path().join(database)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// What a program of rpm's says, and that it complains of nothing.
    fn ask(&self, program: &str, database: &str, args: &[&str]) -> BTreeSet<String> {
        let (said, told) = self.run(program, database, args);
        assert_eq!(told, "", "{program} {args:?}");
        said
    }

    /// What a program of rpm's says, and what it complains of.
    fn run(&self, program: &str, database: &str, args: &[&str]) -> (BTreeSet<String>, String) {
        let place = format!("/{database}");
        let fixed = ["--root", text(self.root.path()), "--dbpath", &place, "--define", "_db_backend ndb"];
        let flags = ["install", "query", "erase", "verify", "rebuilddb"];
        let unsigned =
            flags.iter().flat_map(|what| ["--define".to_owned(), format!("_vsflags_{what} {NO_SIGNATURES}")]);
        let output = Command::new(self.rpm.join(program)).args(fixed).args(unsigned).args(args).output().unwrap();
        let [said, told] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        assert!(output.status.success(), "{program} {args:?}: {said}{told}");
        (said.lines().map(str::to_owned).collect(), told)
    }

    fn all(&self, database: &str) -> BTreeSet<String> {
        self.ask("rpm", database, &["-qa"])
    }

    /// rowi's reader finds in the indexes what the headers say, whoever wrote last.
    fn check(&self, database: &str) {
        let folder = self.root.path().join(database);
        let [packages, index] = [ndb::FILE_NAME, ndb::INDEX_NAME].map(|name| fs_err::read(folder.join(name)).unwrap());
        ndb::check_files(&packages, &index).unwrap();
    }

    /// What rowi's reader finds.
    fn read(&self, database: &str) -> BTreeSet<String> {
        let opened = Database::open(Backend::Ndb, &self.root.path().join(database)).unwrap();
        let nvra = |header: &Header| {
            let evr = header.evr();
            format!("{}-{}-{}.{}", header.name().unwrap(), evr.version, evr.release, header.arch().unwrap())
        };
        opened.headers().unwrap().iter().map(|(_, header)| nvra(header)).collect()
    }
}

#[test]
fn rpm_opens_asks_and_changes_an_ndb_database() {
    let Some(corpus) = corpus() else { return };
    let listed = fs_err::read_to_string(corpus.join("rpmdb/reference-rpm6/setC-dev/packages.txt")).unwrap();
    let packages: Vec<PathBuf> = listed.lines().map(|path| corpus.join(path)).collect();
    let later = packages.iter().position(|path| text(path).contains("/hlinktest-")).unwrap();
    let before = [&packages[..later], &packages[later + 1..]].concat();
    let Some(judge) = Judge::new(&before) else { return };
    let both = ["Index.db", "Packages.db"].map(str::to_owned).into();
    assert_eq!(judge.files(DATABASE), both);
    let index = judge.root.path().join(DATABASE).join("Index.db");
    let written = fs_err::read(&index).unwrap();
    let all = judge.all(DATABASE);
    assert_eq!((all.len(), &all), (before.len(), &judge.read(DATABASE)));
    judge.ask("rpmdb", DATABASE, &["--verifydb"]);
    for (args, expected) in [
        (["-q", "--whatprovides", "capstest"], "capstest"),
        (["-q", "--whatrequires", "/bin/sh"], ""),
        (["-qf", "/a/emptyCaps1", "--"], "capstest"),
    ] {
        let found = judge.ask("rpm", DATABASE, &args);
        assert!(found.iter().all(|name| name.starts_with(expected)) && !found.is_empty(), "{args:?}: {found:?}");
    }
    assert!(fs_err::read(&index).unwrap() == written, "rpm made the index anew");

    let package = text(&packages[later]);
    let options = ["--nodeps", "--noscripts", "--nosignature", "--ignorearch", package];
    judge.ask("rpm", DATABASE, &[&["-U"], &options[..]].concat());
    judge.ask("rpm", DATABASE, &["-e", "--nodeps", "--noscripts", "capstest"]);
    let changed = judge.all(DATABASE);
    let difference: Vec<&String> = changed.symmetric_difference(&all).collect();
    assert!(matches!(difference[..], [one, other] if one.starts_with("capstest") && other.starts_with("hlinktest")));
    judge.ask("rpmdb", DATABASE, &["--verifydb"]);
    judge.check(DATABASE);
    assert_eq!(judge.read(DATABASE), changed);
    judge.ask("rpmdb", DATABASE, &["--rebuilddb"]);
    assert_eq!((judge.read(DATABASE), judge.all(DATABASE)), (changed.clone(), changed));
    judge.check(DATABASE);
}

/// More packages than one page of slots holds, in a database that grew, and in one that was written at once.
#[test]
fn rpm_reads_an_ndb_database_of_a_whole_system() {
    let Some(repository) = test_distribution() else { return };
    let folders = ["x86_64", "noarch"].map(|arch| fs_err::read_dir(repository.join(arch)).into_iter().flatten());
    let packages: Vec<PathBuf> = folders.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    assert!(packages.len() > 300, "{}", packages.len());
    let Some(judge) = Judge::new(&packages) else { return };
    // The root's own rpm has sqlite: its macros say so, once they are there.
    let own = judge.root.path().join("usr/lib/sysimage/rpm");
    let files = judge.files("usr/lib/sysimage/rpm");
    assert!(files.contains("rpmdb.sqlite") && !files.contains("Packages.db"), "{files:?}");
    let other: &Path = &judge.root.path().join(OTHER);
    rpmdb::convert((Backend::Sqlite, &own), (Backend::Ndb, other)).unwrap();
    // While a database grows it has no indexes; rpm makes them where it is asked.
    let (grown, told) = judge.run("rpm", OTHER, &["-qa"]);
    assert_eq!(
        (grown.len(), told.as_str()),
        (packages.len(), "warning: Generating 18 missing index(es), please wait...\n")
    );
    judge.ask("rpmdb", OTHER, &["--verifydb"]);
    rpmdb::rewrite(Backend::Ndb, other, Epoch(7)).unwrap();
    let owner = judge.ask("rpm", OTHER, &["-qf", "--qf", "%{NAME} %{INSTALLTIME}\n", "/usr/bin/rpm"]);
    assert_eq!((judge.all(OTHER), owner), (grown.clone(), BTreeSet::from(["rpm 7".to_owned()])));
    judge.ask("rpmdb", OTHER, &["--verifydb"]);
    judge.check(OTHER);
    judge.ask("rpm", OTHER, &["-e", "--nodeps", "--noscripts", "--justdb", "rpm"]);
    judge.check(OTHER);
    assert_eq!(judge.all(OTHER).len(), grown.len() - 1);
}

/// An image of a distribution whose rpm has ndb, built whole by the program; its root snapshot, made writable by a layer, is
/// updated as transactional-update would have rpm do it.
/// The image says it of itself, from its own database.
fn the_stray_is_told(bench: &Bench, images: &Images) {
    for (strict, code) in [(&[][..], 0), (&["--strict"][..], 5)] {
        let args = [&["verify"], strict, &[text(&images.raw)]].concat();
        let told = bench.command(Who::Root, &args).assert().code(code);
        let said = String::from_utf8_lossy(&told.get_output().stderr).into_owned();
        for line in [
            "warning: `stray-1-1.noarch`: `/srv/stray` lies outside",
            "`stray-1-1.noarch`: %post works on `/var/lib/stray`",
        ] {
            assert!(said.contains(line), "{said}");
        }
    }
}

#[test]
fn rpm_reads_and_updates_an_image_whose_database_is_ndb() {
    const OWN: &str = "usr/lib/sysimage/rpm";
    let (Some(bench), Some(judge)) = (&*BENCH, Judge::empty()) else { return };
    let repository = bench.folder.join("ndb-repository");
    fs_err::create_dir(&repository).unwrap();
    let [top, packages] = ["_topdir", "_rpmdir"].map(|name| format!("{name} {}", repository.display()));
    for (name, text_of_it) in [("ndb-macros", SPEC), ("stray", STRAY)] {
        let spec = repository.join(name).with_extension("spec");
        fs_err::write(&spec, text_of_it).unwrap();
        run("rpmbuild", &["-bb", "--quiet", "--define", &top, "--define", &packages, text(&spec)]);
    }
    run("createrepo_c", &["--quiet", text(&repository)]);
    let address = format!("ndb=dir:{}", repository.display());
    let asked = ["--package", "ndb-macros", "--package", "stray"];
    let images = bench.image("microos", "ndb-image", &[&["--repo", &address, "--no-signatures"], &asked[..]].concat());
    the_stray_is_told(bench, &images);
    let listed = fs_err::read_to_string(images.raw.with_extension("packages")).unwrap();
    let listed: BTreeSet<String> = listed.lines().map(str::to_owned).collect();
    let macros = repository.join("noarch/ndb-macros-1-1.noarch.rpm");

    let layers = tempfile::tempdir_in("/var/tmp").unwrap();
    let [image, upper, work] = ["image", "upper", "work"].map(|name| layers.path().join(name));
    for folder in [&image, &upper, &work] {
        fs_err::create_dir(folder).unwrap();
    }
    apart(|| {
        mount_image(&images.raw, &image);
        let how = format!("lowerdir={},upperdir={},workdir={}", image.display(), upper.display(), work.display());
        run("mount", &["-t", "overlay", "-o", &how, "overlay", text(judge.root.path())]);
        assert_eq!(judge.files(OWN), ["Index.db", "Packages.db"].map(str::to_owned).into());
        assert_eq!(judge.all(OWN), listed);
        judge.ask("rpmdb", OWN, &["--verifydb"]);
        judge.ask("rpm", OWN, &["-V", "ndb-macros", "libsolv1"]);
        judge.ask("rpm", OWN, &["-e", "--noscripts", "ndb-macros"]);
        let erased = judge.all(OWN);
        assert!(!judge.root.path().join("usr/lib/rpm/macros.d/macros.ndb").exists());
        assert_eq!(listed.difference(&erased).collect::<Vec<_>>(), ["ndb-macros-1-1.noarch"]);
        judge.ask("rpm", OWN, &["-U", "--nosignature", text(&macros)]);
        assert_eq!(judge.all(OWN), listed);
        judge.ask("rpmdb", OWN, &["--verifydb"]);
        judge.check(OWN);
    });
}
