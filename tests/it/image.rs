//! Whole images from the test distribution: the same bytes for root and for a user, judged by other people's tools,
//! and booted. Enabled by `ROWI_DEBIAN_RPM`, the folder that `ci/debian-rpm` filled, one folder an architecture.

use std::{
    fmt::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process,
    sync::{LazyLock, Mutex},
};

use assert_cmd::Command;

use crate::place::{USER, running, test_distribution};

/// The platform's sector size: offsets in partition tables are counted in it.
pub(crate) const SECTOR: u64 = 512;

/// What the images are made of, and where.
pub(crate) struct Bench {
    pub(crate) folder: PathBuf,
    rowi: PathBuf,
    pub(crate) repository: PathBuf,
}

/// One for all tests: the first build fills the cache of each user.
pub(crate) static BENCH: LazyLock<Option<Bench>> = LazyLock::new(Bench::new);
/// `kubic`, built once by root.
pub(crate) static KUBIC: LazyLock<Option<Images>> =
    LazyLock::new(|| Some(BENCH.as_ref()?.build(Who::Root, "kubic", "root", &[])));

/// Who builds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    Root,
    User,
}

/// The results of one build.
pub(crate) struct Images {
    pub(crate) raw: PathBuf,
    qcow2: PathBuf,
    sums: String,
}

impl Images {
    pub(crate) fn qcow2(&self) -> &Path {
        &self.qcow2
    }
}

impl Bench {
    fn new() -> Option<Self> {
        let repository = test_distribution()?;
        // Everybody can read it, wherever the checkout lies; not in /tmp, which may be memory.
        let place = std::env::var_os("ROWI_IMAGES").unwrap_or_else(|| "/var/tmp".into());
        let folder = tempfile::Builder::new().prefix("rowi-images-").tempdir_in(place).unwrap().keep();
        fs_err::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let rowi = folder.join("rowi");
        fs_err::copy(env!("CARGO_BIN_EXE_rowi"), &rowi).unwrap();
        run("cp", &["-r", "--reflink=auto", text(&repository), text(&folder.join("repository"))]);
        run("chmod", &["-R", "a+rX", text(&folder.join("repository"))]);
        Some(Self { rowi, repository: folder.join("repository"), folder })
    }

    /// A command of root's or the user's, each with a home, a time zone and an umask of their own.
    pub(crate) fn command(&self, who: Who, args: &[&str]) -> Command {
        Command::from_std(self.process(who, args))
    }

    /// The same, to be talked with while it runs.
    #[expect(clippy::disallowed_methods, reason = "tests talk with it while it runs")]
    pub(crate) fn process(&self, who: Who, args: &[&str]) -> process::Command {
        let home = self.home(who);
        let (zone, umask) = if who == Who::Root { ("UTC", "022") } else { ("Pacific/Kiritimati", "077") };
        // Both become the program itself, so that a signal reaches it.
        let mut command = process::Command::new(if who == Who::Root { "sh" } else { "setpriv" });
        if who == Who::User {
            command.args(["--reuid", USER, "--regid", USER, "--init-groups", "--", "sh"]);
        }
        command
            .args(["-c", &format!("umask {umask} && cd \"$HOME\" && exec \"$@\""), "sh", text(&self.rowi)])
            .args(args);
        command.env_remove("XDG_CACHE_HOME").env_remove("SOURCE_DATE_EPOCH");
        command.env("HOME", &home).env("TZ", zone);
        command
    }

    /// The home of root's or the user's commands.
    pub(crate) fn home(&self, who: Who) -> PathBuf {
        static MADE: Mutex<()> = Mutex::new(());
        let _alone = MADE.lock();
        let home = self.folder.join(if who == Who::Root { "root" } else { "user" });
        if !home.exists() {
            fs_err::create_dir(&home).unwrap();
            if who == Who::User {
                run("chown", &[&format!("{USER}:"), text(&home)]);
            }
        }
        home
    }

    pub(crate) fn arguments(&self, profile: &str) -> Vec<String> {
        let repository = format!("debian-rpm=dir:{}", self.repository.display());
        ["--profile", profile, "--distribution", "debian-rpm", "--repo", &repository].map(str::to_owned).to_vec()
    }

    fn build(&self, who: Who, profile: &str, output: &str, more: &[&str]) -> Images {
        let common = self.arguments(profile);
        let mut args = vec!["build", "--quiet", "--format", "raw,qcow2", "--output", output];
        args.extend(common.iter().map(String::as_str));
        args.extend(more);
        let built = self.command(who, &args).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let stdout = String::from_utf8(built.stdout).unwrap();
        let file = |ending: &str| {
            let line = stdout.lines().find(|line| line.ends_with(ending));
            PathBuf::from(line.unwrap_or_else(|| panic!("no {ending} in {stdout}")))
        };
        let raw = file(".raw");
        Images { sums: fs_err::read_to_string(raw.with_extension("sha256")).unwrap(), qcow2: file(".qcow2"), raw }
    }

    /// Images that root builds, from a profile and more options.
    pub(crate) fn image(&self, profile: &str, output: &str, more: &[&str]) -> Images {
        self.build(Who::Root, profile, output, more)
    }

    /// Boots an image and checks it; the table of the checks, all of which have to pass.
    pub(crate) fn boot_check(&self, images: &Images, how: &[&str]) -> String {
        let args = [&["boot", "--check"], how, &[text(&images.qcow2)]].concat();
        let checked = self.command(Who::Root, &args).output().unwrap();
        let (table, said) = (String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
        assert!(checked.status.success(), "{table}{said}");
        table.into_owned()
    }

    /// A raw image's copy, which a test may change, with what is known of it.
    pub(crate) fn copy(&self, images: &Images, name: &str) -> PathBuf {
        let disk = self.folder.join(name);
        run("cp", &["--sparse=always", "--reflink=auto", text(&images.raw), text(&disk)]);
        fs_err::copy(images.raw.with_extension("manifest.json"), disk.with_extension("manifest.json")).unwrap();
        disk
    }

    /// Boots a raw disk whose machine may have been cut off, and checks it. A line for each check that fails; else whether
    /// it runs another snapshot than the first, which may be one that is not yet the default.
    pub(crate) fn checked_after(&self, disk: &Path) -> Result<bool, String> {
        let part = disk.with_extension("part");
        let esp = partitions(disk).into_iter().find(|(.., code)| code == "EF00").ok_or("no ESP")?;
        cut(disk, &part, esp.1 * SECTOR, (esp.2 - esp.1 + 1) * SECTOR);
        let bytes = fs_err::read(&part).unwrap();
        let told = b"Block\nrowi_snapshot=";
        let at = bytes.windows(told.len()).position(|it| it == told).ok_or("GRUB is told of no snapshot")? + told.len();
        let is_new = !bytes[at..].starts_with(b"1\n");
        let root = partitions(disk).into_iter().find(|(.., code)| code == "8304").ok_or("no root partition")?;
        cut(disk, &part, root.1 * SECTOR, (root.2 - root.1 + 1) * SECTOR);
        let judged = Command::new("btrfs").args(["check", "--readonly", text(&part)]).output().unwrap();
        fs_err::remove_file(&part).unwrap();
        if !judged.status.success() {
            return Err(String::from_utf8_lossy(&judged.stderr).into_owned());
        }
        let report = format!("json:{}", disk.with_extension("json").display());
        let args = ["boot", "--check", "--firmware", "uefi", "--report", &report, text(disk)];
        let checked = self.command(Who::Root, &args).output().unwrap();
        let told = fs_err::read(disk.with_extension("json")).map_err(|_| format!("{checked:?}"))?;
        let outcomes: Vec<serde_json::Value> = serde_json::from_slice(&told).unwrap();
        let late = ["uefi: root is the default subvolume", "uefi: snapper knows the snapshot"];
        let fails = |it: &&serde_json::Value| it["passed"] != true && !late.contains(&it["name"].as_str().unwrap());
        let faults: Vec<String> =
            outcomes.iter().filter(fails).map(|it| format!("{}: {}", it["name"], it["detail"])).collect();
        if faults.is_empty() { Ok(is_new) } else { Err(faults.join("\n")) }
    }

    /// Whether packages can be satisfied, and what is said where they cannot.
    pub(crate) fn can_plan(&self, profile: &str, more: &[&str]) -> Result<(), String> {
        let common = self.arguments(profile);
        let args: Vec<&str> =
            ["plan"].into_iter().chain(common.iter().map(String::as_str)).chain(more.iter().copied()).collect();
        let planned = self.command(Who::Root, &args).output().unwrap();
        let said = String::from_utf8_lossy(&planned.stderr).into_owned();
        match planned.status.code() {
            Some(0) => Ok(()),
            Some(3) => Err(said),
            _ => panic!("{said}"),
        }
    }

    /// What half-made things the user's cache holds.
    fn left(&self, who: Who) -> usize {
        let home = self.folder.join(if who == Who::Root { "root" } else { "user" });
        fs_err::read_dir(home.join(".cache/rowi/work")).unwrap().count()
    }
}

/// Every check of a table passed, and these are among them.
pub(crate) fn all_well(table: &str, checks: &[&str]) {
    for told in checks {
        assert!(table.lines().any(|line| line.contains(told) && line.contains(" ok ")), "{told}: {table}");
    }
    assert!(table.lines().skip(1).all(|line| line.contains(" ok ")), "{table}");
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs a program that has to succeed; its output, should that be wanted.
pub(crate) fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {args:?}: {stdout}{stderr}");
    stdout.into_owned()
}

/// Root builds from the repository, a user from a lock, with other folder, zone, umask and number of threads.
#[test]
fn a_user_builds_the_bytes_that_root_builds() {
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    let common = bench.arguments("kubic");
    let mut lock = vec!["lock"];
    lock.extend(common.iter().map(String::as_str));
    bench.command(Who::User, &lock).assert().success();
    let again = bench.build(Who::User, "kubic", "elsewhere/deep", &["--locked", "--jobs", "1"]);
    assert_eq!(kubic.sums, again.sums, "{}", differences(&kubic.raw, &again.raw));
    run("cmp", &[text(&kubic.qcow2), text(&again.qcow2)]);
    assert_eq!((bench.left(Who::Root), bench.left(Who::User)), (0, 0));
}

/// An initrd that an earlier build made is taken over where only the host's name differs, and the image is the one that
/// an empty cache gives.
#[test]
fn an_initrd_from_the_cache_is_the_one_that_would_be_made() {
    let (Some(bench), Some(_)) = (&*BENCH, &*KUBIC) else { return };
    let common = bench.arguments("kubic");
    let build = |output: &str, more: &[&str]| {
        let mut args = vec!["build", "--format", "qcow2", "--set", "hostname=other", "--output", output];
        args.extend(common.iter().map(String::as_str));
        args.extend(more);
        let built = bench.command(Who::Root, &args).output().unwrap();
        let said = String::from_utf8_lossy(&built.stderr).into_owned();
        assert!(built.status.success(), "{said}");
        let stdout = String::from_utf8_lossy(&built.stdout).into_owned();
        let path = stdout.split_whitespace().find(|word| word.ends_with(".qcow2")).expect("a path");
        (PathBuf::from(path), said)
    };
    let (warm, said) = build("warm", &[]);
    assert!(said.contains("is taken from the cache"), "{said}");
    let (cold, said) = build("cold", &["--cache", "empty-cache"]);
    assert!(!said.contains("is taken from the cache"), "{said}");
    run("cmp", &[text(&warm), text(&cold)]);
}

/// Where two disks differ first.
fn differences(one: &Path, other: &Path) -> String {
    let output =
        Command::new("sh").args(["-c", "cmp -l \"$1\" \"$2\" | head -n 20", "sh", text(one), text(other)]).output();
    let mut shown = String::new();
    for line in String::from_utf8_lossy(&output.unwrap().stdout).lines() {
        let offset: u64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let _ = writeln!(shown, "{:#x}: {line}", offset.saturating_sub(1));
    }
    shown
}

#[test]
fn other_peoples_tools_find_no_fault() {
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    let table = run("sgdisk", &["--verify", text(&kubic.raw)]);
    assert!(table.contains("No problems found"), "{table}");
    let part = bench.folder.join("part");
    for (number, start, end, code) in partitions(&kubic.raw) {
        if !matches!(code.as_str(), "EF00" | "8300" | "8304") {
            continue;
        }
        cut(&kubic.raw, &part, start * SECTOR, (end - start + 1) * SECTOR);
        match code.as_str() {
            "EF00" => run("fsck.fat", &["-n", text(&part)]),
            _ => run("btrfs", &["check", "--readonly", "--check-data-csum", text(&part)]),
        };
        assert!(number > 0);
    }
    run("qemu-img", &["check", text(&kubic.qcow2)]);
    run("qemu-img", &["compare", text(&kubic.raw), text(&kubic.qcow2)]);
    for image in [&kubic.raw, &kubic.qcow2] {
        bench.command(Who::Root, &["verify", text(image)]).assert().success();
    }
}

/// Number, first and last sector, and type of each partition, as sgdisk prints them.
pub(crate) fn partitions(image: &Path) -> Vec<(u32, u64, u64, String)> {
    let print = run("sgdisk", &["--print", text(image)]);
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        // Number, start, end, size, unit, code, name.
        Some((
            words.first()?.parse().ok()?,
            words.get(1)?.parse().ok()?,
            words.get(2)?.parse().ok()?,
            (*words.get(5)?).into(),
        ))
    };
    let found: Vec<_> = print.lines().filter_map(row).collect();
    assert!(found.len() >= 2, "{print}");
    found
}

pub(crate) fn cut(image: &Path, to: &Path, offset: u64, length: u64) {
    let (skip, count) = (format!("skip={offset}"), format!("count={length}"));
    let (from, to) = (format!("if={}", image.display()), format!("of={}", to.display()));
    run("dd", &[&from, &to, &skip, &count, "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none"]);
}

#[test]
fn an_interrupted_build_leaves_nothing() {
    let (Some(bench), Some(_)) = (&*BENCH, &*KUBIC) else { return };
    let common = bench.arguments("kubic");
    for seconds in ["0.3", "3", "12"] {
        let output = format!("interrupted-{seconds}");
        let mut args = vec!["build", "--quiet", "--output", &output];
        args.extend(common.iter().map(String::as_str));
        let command = bench.command(Who::Root, &args);
        let mut timed = Command::new("timeout");
        timed.args(["--signal=INT", "--preserve-status", "--kill-after=30", seconds]).arg(command.get_program());
        timed.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let ended = timed.output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(130), "after {seconds} s: {said}");
        let folder = bench.folder.join("root").join(&output);
        assert!(!folder.exists(), "after {seconds} s");
        assert_eq!(bench.left(Who::Root), 0, "after {seconds} s: {said}");
    }
    let mounts = fs_err::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("rowi-images-"), "{mounts}");
}

/// Killed without a word, as root and as a user, a build leaves no process and no result, and its work folder goes with
/// the next command. `ROWI_KILLS` says at how many points; it takes minutes, so `ci/test --all` sets it and CI does not.
#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out is seen")]
fn a_killed_build_leaves_nothing() {
    let Some(rounds) = std::env::var("ROWI_KILLS").ok().and_then(|text| text.parse::<u32>().ok()) else {
        eprintln!("left to `ci/test --all`: ROWI_KILLS is not set");
        return;
    };
    let (Some(bench), Some(kubic)) = (&*BENCH, &*KUBIC) else { return };
    let common = bench.arguments("kubic");
    // Another epoch each time: no stage of it is in the cache.
    let build = |who, epoch: u32, output: &str| {
        let mut args = vec!["build", "--quiet", "--format", "qcow2", "--output", output];
        args.extend(common.iter().map(String::as_str));
        let mut command = bench.command(who, &args);
        command.env("SOURCE_DATE_EPOCH", (1_800_000_000 + epoch).to_string());
        command
    };
    let begun = std::time::Instant::now();
    build(Who::Root, rounds, "timed").assert().success();
    let whole = begun.elapsed().as_secs_f64();
    for (who, round) in (0..rounds).flat_map(|round| [(Who::Root, round), (Who::User, round)]) {
        let after = format!("{:.2}", whole * (f64::from(round) + 0.5) / f64::from(rounds) * 0.95);
        let output = format!("killed-{round}");
        let command = build(who, round, &output);
        let mut timed = Command::new("timeout");
        timed.args(["--foreground", "--signal=KILL", &after]).arg(command.get_program());
        timed.args(command.get_args()).envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let _ = timed.output().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while running(&bench.rowi) > 0 {
            assert!(std::time::Instant::now() < deadline, "{} processes live after {after} s", running(&bench.rowi));
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let home = bench.folder.join(if who == Who::Root { "root" } else { "user" });
        let left: Vec<_> = fs_err::read_dir(home.join(&output)).into_iter().flatten().flatten().collect();
        let whole_results = left.iter().any(|entry| entry.path().extension().is_some_and(|it| it == "sha256"));
        assert!(left.is_empty() || whole_results, "after {after} s: {left:?}");
        bench.command(who, &["cache", "verify"]).assert().success();
        assert_eq!(bench.left(who), 0, "after {after} s");
    }
    assert!(kubic.raw.exists());
}
