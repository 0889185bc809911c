//! Runs real programs in a small root, as uid 0 and as a user with subordinate ids, and kills the whole at random.

use std::{
    collections::BTreeMap,
    io::Write,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rowi::sandbox::{self, End, Ended, Means, What};

use crate::place::skip;

const ROWI: &str = env!("CARGO_BIN_EXE_rowi");

/// A work folder with a root of the host's own programs in it, and the means to enter it.
struct Bench {
    work: tempfile::TempDir,
    means: Means,
}

impl Bench {
    fn new(tools: &[&str]) -> Option<Self> {
        let work = tempfile::tempdir().unwrap();
        let means = match sandbox::probe_with(Path::new(ROWI)) {
            Ok(means) => means,
            Err(error) => return skip(&format!("{error}: {:?}", std::error::Error::source(&error))),
        };
        fs_err::create_dir(work.path().join("root")).unwrap();
        for tool in tools {
            install(&work.path().join("root"), tool)?;
        }
        let bench = Self { work, means };
        let (uid, gid) = bench.means.mapping.root();
        output("chown", &["-R", &format!("{uid}:{gid}"), bench.work.path().join("root").to_str().unwrap()])?;
        bench.give(bench.work.path());
        Some(bench)
    }

    fn give(&self, folder: &Path) {
        sandbox::give(&self.means, fs_err::File::open(folder).unwrap().as_fd()).unwrap();
    }

    /// Runs scripts one after the other in one sandbox.
    fn run(&self, scripts: &[&str]) -> Vec<(End, String)> {
        let commands: Vec<sandbox::Command> = scripts.iter().map(|script| shell(script, 60)).collect();
        self.run_commands(&commands).into_iter().map(|ended| (ended.end, text(&ended.output))).collect()
    }

    fn run_commands(&self, commands: &[sandbox::Command]) -> Vec<Ended> {
        let mut list = tempfile::tempfile().unwrap();
        for command in commands {
            serde_json::to_writer(&mut list, command).unwrap();
            list.write_all(b"\n").unwrap();
        }
        std::io::Seek::rewind(&mut list).unwrap();
        let folder = fs_err::File::open(self.work.path()).unwrap();
        let mut ended = Vec::new();
        let take = |line: &str| ended.push(serde_json::from_str::<Ended>(line).unwrap());
        let finished =
            sandbox::run_inside(&self.means, folder.as_fd(), &["run", "root"], &[list.as_fd()], take).unwrap();
        assert_eq!(finished.code, 0, "{}", text(&finished.stderr));
        ended
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        sandbox::empty(&self.means, fs_err::File::open(self.work.path()).unwrap().as_fd()).unwrap();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn shell(script: &str, seconds: u64) -> sandbox::Command {
    sandbox::Command {
        what: What::Program {
            argv: vec![b"/bin/sh".to_vec()],
            script: Some(script.as_bytes().to_vec()),
            args: vec!["1".into()],
        },
        environment: BTreeMap::from([("PATH".into(), "/usr/sbin:/usr/bin:/bin".into()), ("A".into(), "b c".into())]),
        stdin: Vec::new(),
        terminal: false,
        limit: Duration::from_secs(seconds),
    }
}

#[expect(clippy::disallowed_methods, reason = "tests call foreign tools")]
fn output(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| text(&output.stdout))
}

/// Copies a program of the host's and its libraries.
fn install(root: &Path, tool: &str) -> Option<()> {
    let found = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|folder| Path::new(folder).join(tool));
    let Some(program) = found.into_iter().find(|path| path.exists()) else {
        return skip(&format!("`{tool}` is not installed"));
    };
    let libraries = output("ldd", &[program.to_str().unwrap()]).unwrap_or_default();
    let mut files: Vec<(PathBuf, PathBuf)> = vec![(program, Path::new("bin").join(tool))];
    for word in libraries.split_whitespace().filter(|word| word.starts_with('/')) {
        files.push((word.into(), word.trim_start_matches('/').into()));
    }
    for (from, to) in files {
        let to = root.join(to);
        fs_err::create_dir_all(to.parent().unwrap()).unwrap();
        if !to.exists() {
            fs_err::copy(from, to).unwrap();
        }
    }
    Some(())
}

#[test]
fn scripts_see_a_constant_world() {
    let Some(bench) = Bench::new(&["sh", "id", "ls", "cat", "sleep", "readlink", "env", "hostname"]) else { return };
    let ended = bench.run(&[
        "id; echo $0 $1 $A; pwd; umask; hostname; readlink /proc/self/root; cat",
        "ls /dev /sys; ls /dev/pts; echo x > /dev/null; ulimit -n",
        "cat /proc/net/dev | while read -r a b; do case $a in *:) echo $a;; esac; done; echo kept > /run/state",
        "cat /run/state; ls -A /tmp /var/tmp; env",
        "sleep 1000 & echo left",
        "echo $$; readlink /proc/1/root; ls -d /proc/[0-9]*; exit 7",
        "kill -9 $$",
    ]);
    let expected = [
        "uid=0 gid=0 groups=0\n/var/tmp/rpm-tmp.000000 1 b c\n/\n0022\nlocalhost\n/\n",
        "/dev:\nfd\nfull\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n\n/sys:\nptmx\n1024\n",
        "lo:\n",
        "kept\n/tmp:\n\n/var/tmp:\nrpm-tmp.000000\n",
        "left\n",
        "",
        "",
    ];
    for ((end, said), expected) in ended.iter().zip(expected) {
        assert!(
            said.replace("uid=0(root) gid=0(root) groups=0(root)", "uid=0 gid=0 groups=0").starts_with(expected),
            "{end:?} {said}"
        );
    }
    assert_eq!(ended[5].0, End::Exit(7));
    if bench.means.procfs == sandbox::Procfs::Own {
        assert_eq!(ended[5].1.lines().count(), 4, "the server and sh: {}", ended[5].1);
        assert!(ended[5].1.contains("\n/\n/proc/1\n"), "{}", ended[5].1);
    }
    assert_eq!(ended[6].0, End::Signal(9));
    // The tree itself has the folders and nothing in them.
    for folder in ["dev", "proc", "sys", "run", "tmp", "var/tmp"] {
        assert_eq!(fs_err::read_dir(bench.work.path().join("root").join(folder)).unwrap().count(), 0, "{folder}");
    }
}

#[test]
fn scripts_own_files_as_anyone_and_nothing_more() {
    let tools = ["sh", "chown", "stat", "touch", "mknod", "mount", "unshare", "setcap", "getcap", "perl", "chroot"];
    let Some(bench) = Bench::new(&tools) else { return };
    let ended = bench.run(&[
        "touch /f /n; chown 65534:7 /f; stat -c %u:%g /f; chown 65536 /n",
        "setcap cap_net_raw+ep /f; getcap /f",
        "mknod /d c 1 3",
        "mount -t tmpfs none /bin",
        "unshare -m true",
        "unshare -U true",
        "perl -e 'print syscall(250, 0, 0, 0), \" \", $!+0'",
        "chroot / /bin/sh -c 'exit 3'",
        "echo x > /proc/sys/kernel/hostname; echo 1 > /proc/sysrq-trigger",
    ]);
    assert!(ended[0].1.starts_with("65534:7\n") && ended[0].0 == End::Exit(1), "{:?}", ended[0]);
    assert_eq!(ended[1], (End::Exit(0), "/f cap_net_raw=ep\n".into()));
    for (at, what) in [(2, "mknod"), (3, "mount"), (4, "unshare"), (5, "unshare"), (8, "denied")] {
        assert!(ended[at].0 != End::Exit(0) && ended[at].1.contains(what), "{what}: {:?}", ended[at]);
    }
    if cfg!(target_arch = "x86_64") {
        assert_eq!(ended[6].1, format!("-1 {}", libc::EPERM), "keyctl");
    }
    assert_eq!(ended[7].0, End::Exit(3));
    let outside = fs_err::metadata(bench.work.path().join("root/f")).unwrap();
    assert_ne!(outside.uid(), 65534);
}

#[test]
fn a_late_script_ends_and_a_missing_interpreter_is_told() {
    let Some(bench) = Bench::new(&["sh", "sleep"]) else { return };
    let mut missing = shell("true", 60);
    let What::Program { argv, .. } = &mut missing.what else { unreachable!() };
    argv[0] = b"/no/such".to_vec();
    let mut loud = shell("while :; do echo 0123456789012345678901234567890123456789; done", 2);
    loud.stdin = b"in".to_vec();
    let before = Instant::now();
    let ended = bench.run_commands(&[shell("echo a; (sleep 100 &) ; sleep 100", 1), missing, loud, shell("echo b", 9)]);
    assert!(before.elapsed() < Duration::from_secs(30));
    assert_eq!((ended[0].end, text(&ended[0].output).as_str()), (End::Late, "a\n"));
    assert_eq!(ended[1].end, End::Exit(127));
    assert!(text(&ended[1].output).contains("`/no/such`"));
    assert_eq!(ended[2].end, End::Late);
    assert!(ended[2].output.len() < 2 << 20);
    assert_eq!((ended[3].end, text(&ended[3].output).as_str()), (End::Exit(0), "b\n"));
}

/// The life of a process that [`killed_at_any_time_nothing_remains`] kills.
#[test]
#[ignore = "is started by another test"]
fn victim() {
    let (Some(marker), Some(bench)) = (std::env::var("ROWI_MARKER").ok(), Bench::new(&["sh", "sleep"])) else { return };
    let mut command = shell("(sleep $1 &) ; sleep $1", 60);
    let What::Program { args, .. } = &mut command.what else { unreachable!() };
    args[0] = marker;
    bench.run_commands(&vec![command; 2]);
}

#[expect(clippy::disallowed_methods, reason = "a process to be killed")]
fn start_victim(marker: &str, folder: &Path) -> std::process::Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "sandbox::victim", marker]).env("ROWI_MARKER", marker);
    command.env("TMPDIR", folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Processes with the marker among their arguments, or with a work folder's name.
fn marked(marker: &str) -> usize {
    let processes = fs_err::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|entry| fs_err::read(entry.path().join("cmdline")).ok());
    commands.filter(|command| text(command).contains(marker)).count()
}

#[test]
fn killed_at_any_time_nothing_remains() {
    let Some(bench) = Bench::new(&["sh", "sleep"]) else { return };
    let mounts = || fs_err::read_to_string("/proc/self/mountinfo").unwrap();
    let before = mounts();
    let mut most = 0;
    for round in 0..20_u32 {
        let marker = format!("1000.{}{round:02}", std::process::id());
        let mut child = start_victim(&marker, bench.work.path());
        std::thread::sleep(Duration::from_millis(u64::from(round) * 25));
        most = most.max(marked(&marker));
        child.kill().unwrap();
        child.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while marked(&marker) > 0 {
            assert!(Instant::now() < deadline, "round {round}: {} processes live", marked(&marker));
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    assert!(most > 3, "the last rounds found scripts running: {most}");
    assert_eq!(mounts(), before);
}

/// As uid 0 with `ROWI_TEST_USER`, a user who has subordinate ids: everything above as that user.
#[test]
fn a_user_has_the_same() {
    let Some(user) = std::env::var("ROWI_TEST_USER").ok().filter(|_| rustix::process::getuid().is_root()) else {
        return;
    };
    let exe = std::env::current_exe().unwrap();
    let command = format!("cd / && REQUIRE_TOOLS=1 TMPDIR=/tmp {} sandbox --skip a_user", exe.display());
    assert!(output("su", &[&user, "-c", &command]).is_some());
}
