//! One command in the root: a child of the server's, its output, and how it ended.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Resource, Rlimit, WaitOptions, pidfd_open, setrlimit},
};
use serde::{Deserialize, Serialize};

use super::{Procfs, system};

/// Something to run in the root, with working directory `/`, umask 022, and nothing inherited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// What runs.
    pub what: What,
    /// The whole environment.
    pub environment: BTreeMap<String, String>,
    /// Standard input.
    pub stdin: Vec<u8>,
    /// Whether it talks to the terminal that the server was given, instead.
    #[serde(default)]
    pub terminal: bool,
    /// After this time it is killed, and all that it started.
    pub limit: Duration,
}

/// What a [`Command`] runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A program of the root's.
    Program {
        /// Program with its own arguments; one without `/` is looked for along the environment's `PATH`.
        argv: Vec<Vec<u8>>,
        /// Put into a file below `/var/tmp` that is the next argument.
        script: Option<Vec<u8>>,
        /// Arguments after that.
        args: Vec<String>,
    },
    /// The function that [`super::Server::start`] was given, in a child of its own.
    Call(Vec<u8>),
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The way.
    pub end: End,
    /// Standard output and error together, perhaps with the middle left out; not yet made printable.
    pub output: Vec<u8>,
}

/// The way a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// With an exit code.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// Killed for taking too long.
    Late,
}

/// Where a script lies while it runs: rpm's name with constant digits, for some scripts show `$0`.
const SCRIPT: &str = "/var/tmp/rpm-tmp.000000";

/// Runs a command; `output` gets what it writes as it comes. No process that it started is left afterwards.
pub(super) fn run(
    command: &Command,
    terminal: Option<&OwnedFd>,
    procfs: Procfs,
    call: fn(&[u8]) -> i32,
    output: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<End> {
    if let What::Program { script: Some(script), .. } = &command.what {
        let _ = rustix::fs::unlink(SCRIPT);
        File::options().write(true).create_new(true).open(SCRIPT)?.write_all(script)?;
    }
    let terminal = terminal.filter(|_| command.terminal);
    let stdin = input(&command.stdin)?;
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let own = rustix::process::getpid();
    let child = match system::fork()? {
        system::Forked::Child => {
            drop(reader);
            let streams = terminal.map_or((&stdin, &writer), |terminal| (terminal, terminal));
            let code = become_job(command, own, streams, call).unwrap_or_else(|error| unable(command, &error));
            system::leave(code)
        }
        system::Forked::Parent(child) => child,
    };
    drop(writer);
    let watched = watch(child, command.limit, reader, procfs, output);
    if watched.is_err() {
        end_all(procfs);
    }
    let _ = rustix::fs::unlink(SCRIPT);
    watched
}

/// The job's side of the fork. Comes back with an exit code, if at all.
fn become_job(
    command: &Command,
    server: Pid,
    (stdin, output): (&OwnedFd, &OwnedFd),
    call: fn(&[u8]) -> i32,
) -> io::Result<i32> {
    if !system::die_with(Some(server))? {
        return Ok(1);
    }
    rustix::process::setsid()?;
    rustix::stdio::dup2_stdin(stdin)?;
    rustix::stdio::dup2_stdout(output)?;
    rustix::stdio::dup2_stderr(output)?;
    system::close_from(3);
    if command.terminal {
        rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    }
    system::default_signals();
    let files = Some(1024);
    setrlimit(Resource::Nofile, Rlimit { current: files, maximum: files })?;
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    rustix::process::chdir("/")?;
    match &command.what {
        What::Call(data) => {
            system::replace_environment(&command.environment);
            Ok(call(data))
        }
        What::Program { argv, script, args } => Err(exec(command, argv, script.is_some(), args)),
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is one of the two that may")]
fn exec(command: &Command, argv: &[Vec<u8>], script: bool, args: &[String]) -> io::Error {
    let mut argv = argv.iter().map(|arg| std::ffi::OsStr::from_bytes(arg));
    let Some(program) = argv.next() else { return io::ErrorKind::InvalidInput.into() };
    let mut process = std::process::Command::new(program);
    process.args(argv).args(script.then_some(SCRIPT)).args(args);
    process.env_clear().envs(&command.environment).exec()
}

/// As a shell says it, with its exit codes for programs that cannot be run and that are not there.
#[expect(clippy::print_stderr, reason = "standard error is the job's output")]
fn unable(command: &Command, error: &io::Error) -> i32 {
    let program = match &command.what {
        What::Program { argv, .. } => argv.first().map(|name| String::from_utf8_lossy(name)).unwrap_or_default(),
        What::Call(_) => "".into(),
    };
    eprintln!("cannot run `{program}`: {error}");
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

/// A file in memory, or `/dev/null`.
fn input(bytes: &[u8]) -> io::Result<OwnedFd> {
    if bytes.is_empty() {
        return Ok(File::options().read(true).open("/dev/null")?.into());
    }
    let mut file = File::from(rustix::fs::memfd_create("stdin", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(bytes)?;
    io::Seek::rewind(&mut file)?;
    Ok(file.into())
}

fn watch(
    child: Pid,
    limit: Duration,
    reader: OwnedFd,
    procfs: Procfs,
    output: &mut impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<End> {
    let ended = pidfd_open(child, PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    let mut reader = File::from(reader);
    let mut open = true;
    let late = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let (readable, over) = wait(open.then_some(&reader), &ended, left)?;
        if readable {
            open = pass(&mut reader, output)?;
        } else if over || left.is_zero() {
            break !over;
        }
    };
    let status = end(child, late, procfs)?;
    // Every writer is gone, so this comes to an end.
    while open {
        open = pass(&mut reader, output)?;
    }
    Ok(status)
}

/// Whether there is output, and whether the child has ended.
fn wait(reader: Option<&File>, ended: &OwnedFd, left: Duration) -> io::Result<(bool, bool)> {
    let mut polled = vec![PollFd::new(ended, PollFlags::IN)];
    polled.extend(reader.map(|reader| PollFd::from_borrowed_fd(reader.as_fd(), PollFlags::IN)));
    let left = Timespec { tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
    match poll(&mut polled, Some(&left)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    Ok((polled.get(1).is_some_and(|fd| !fd.revents().is_empty()), !polled[0].revents().is_empty()))
}

/// False at the end of the output.
fn pass(reader: &mut File, output: &mut impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    match reader.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => output(&buffer[..count]).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
        Err(error) => Err(error),
    }
}

/// Kills and reaps all that the job started; its own end is taken as it was before.
fn end(child: Pid, late: bool, procfs: Procfs) -> io::Result<End> {
    let mut end = End::Late;
    if !late {
        end = loop {
            match rustix::process::waitpid(Some(child), WaitOptions::empty()) {
                Ok(Some((_, status))) => {
                    let exit = status.exit_status().map(End::Exit);
                    break exit.unwrap_or(End::Signal(status.terminating_signal().unwrap_or(0)));
                }
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
    }
    end_all(procfs);
    Ok(end)
}

/// Ends and reaps every process that descends from this one.
pub(super) fn end_all(procfs: Procfs) {
    loop {
        match procfs {
            Procfs::Own => system::kill_all(),
            Procfs::Bound => kill_children(),
        }
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Kills the children of this process, which is their subreaper: grandchildren become children in turn.
fn kill_children() {
    let own = std::process::id().to_string();
    let Ok(entries) = fs_err::read_dir("/proc") else { return };
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        // proc_pid_stat(5): `pid (name) state ppid …`, where the name may hold anything.
        let Ok(stat) = fs_err::read_to_string(entry.path().join("stat")) else { continue };
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1));
        if parent == Some(own.as_str()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
