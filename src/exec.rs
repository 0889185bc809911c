//! Programs of the host: a [`Tool`] and its arguments become an [`Output`], in bounded time and memory.
//!
//! The only module that starts a process outside of a root. Arguments are never seen by a shell.

use std::{
    ffi::OsStr,
    fmt,
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open, set_parent_process_death_signal};

use crate::report::{Exit, Explain, printable};

mod bounded;

pub use bounded::Bounded;

/// A program of the host, and the packages that bring it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The program, looked for in `PATH`.
    pub program: &'static str,
    /// Debian's and Ubuntu's package.
    pub debian: &'static str,
    /// openSUSE's package.
    pub opensuse: &'static str,
}

impl Tool {
    /// Where it is, if this machine has it.
    pub fn find(&self) -> Option<std::path::PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
        std::env::split_paths(&path).map(|folder| folder.join(self.program)).find(|file| file.is_file())
    }

    /// What to install to have it.
    pub fn advice(&self) -> String {
        let Self { debian, opensuse, .. } = self;
        if debian == opensuse {
            format!("install the package `{debian}`")
        } else {
            format!("install the package `{debian}` (Debian, Ubuntu) or `{opensuse}` (openSUSE)")
        }
    }
}

/// What a program said, and how it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output, perhaps with its middle left out.
    pub stdout: Vec<u8>,
    /// Standard error, likewise.
    pub stderr: Vec<u8>,
}

/// Why a program of the host gave no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not installed.
    #[error("`{}` is not installed", .0.program)]
    Missing(Tool),
    /// It cannot be started or watched.
    #[error("cannot run `{program}`")]
    Run {
        /// The program.
        program: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// It ran too long and was killed.
    #[error("`{program}` did not end within {} seconds", limit.as_secs())]
    Late {
        /// The program.
        program: &'static str,
        /// The time that it had.
        limit: Duration,
    },
    /// It failed.
    #[error("`{program}` failed with {status}{said}", said = Said(stderr))]
    Failed {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: ExitStatus,
        /// Its standard error.
        stderr: Vec<u8>,
    },
}

/// The last line of a program's standard error.
struct Said<'a>(&'a [u8]);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy(self.0);
        match text.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => write!(f, ": {}", printable(line.trim())),
            None => Ok(()),
        }
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Host
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing(tool) => vec![tool.advice()],
            _ => Vec::new(),
        }
    }
}

/// Bytes kept of each stream.
const KEPT: usize = 1 << 20;

/// Runs a program to its end, with standard input empty and at most 1 MiB kept of each stream.
///
/// # Errors
/// It is missing, cannot run, takes longer than `limit`, or fails.
pub fn run(tool: &Tool, args: &[impl AsRef<OsStr>], limit: Duration) -> Result<Output, Error> {
    let output = attempt(tool, args, limit)?;
    match output.status.success() {
        true => Ok(output),
        false => Err(Error::Failed { program: tool.program, status: output.status, stderr: output.stderr }),
    }
}

/// As [`run`], for programs whose exit code is an answer.
///
/// # Errors
/// It is missing, cannot run, or takes longer than `limit`.
pub fn attempt(tool: &Tool, args: &[impl AsRef<OsStr>], limit: Duration) -> Result<Output, Error> {
    let failed = |source| Error::Run { program: tool.program, source };
    let mut command = command(tool, args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| not_started(tool, source))?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let ended = wait(&mut child, limit).map_err(failed);
    // Its children may hold the pipes open; without it they have no purpose.
    end_group(&child);
    let status = child.wait().map_err(failed)?;
    let output = Output { status, stdout: joined(stdout), stderr: joined(stderr) };
    match ended? {
        true => Ok(output),
        false => Err(Error::Late { program: tool.program, limit }),
    }
}

/// A program that runs beside us and is killed, with all that it started, when this goes.
#[derive(Debug)]
#[must_use = "the program is killed when this goes"]
pub struct Running {
    tool: Tool,
    child: Child,
    /// What it says to standard error, kept to its end.
    said: Option<thread::JoinHandle<Vec<u8>>>,
}

/// Starts a program, with standard input and output empty.
///
/// # Errors
/// It is missing or cannot run.
pub fn start(tool: &Tool, args: &[impl AsRef<OsStr>]) -> Result<Running, Error> {
    let mut command = command(tool, args);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|source| not_started(tool, source))?;
    let said = collect(child.stderr.take());
    Ok(Running { tool: *tool, child, said: Some(said) })
}

impl Running {
    /// Whether it has ended by itself.
    ///
    /// # Errors
    /// It ended with a failure.
    pub fn has_ended(&mut self) -> Result<bool, Error> {
        let program = self.tool.program;
        let status = self.child.try_wait().map_err(|source| Error::Run { program, source })?;
        match status {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => {
                let stderr = self.said.take().map(joined).unwrap_or_default();
                Err(Error::Failed { program, status, stderr })
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            end_group(&self.child);
            let _ = self.child.wait();
        }
    }
}

/// Runs a program on this process's own terminal to its end.
///
/// # Errors
/// It is missing, cannot run, or fails.
#[expect(clippy::disallowed_methods, reason = "this module is the one that may")]
pub fn attach(tool: &Tool, args: &[impl AsRef<OsStr>]) -> Result<(), Error> {
    let status = Command::new(tool.program).args(args).status().map_err(|source| not_started(tool, source))?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Failed { program: tool.program, status, stderr: Vec::new() }),
    }
}

fn not_started(tool: &Tool, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::NotFound => Error::Missing(*tool),
        _ => Error::Run { program: tool.program, source },
    }
}

/// A process group of its own that does not outlive this process.
#[expect(clippy::disallowed_methods, reason = "this module is the one that may")]
#[expect(unsafe_code, reason = "no safe form sets a signal for the parent's death")]
fn command(tool: &Tool, args: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(tool.program);
    command.args(args).process_group(0);
    // SAFETY: the closure makes one system call and touches no memory of the parent's.
    unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
    command
}

/// Whether it ended in time.
fn wait(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let pid = Pid::from_child(child);
    let watched = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut polled = [rustix::event::PollFd::new(&watched, rustix::event::PollFlags::IN)];
        let timeout = rustix::event::Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        match rustix::event::poll(&mut polled, Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The leader is not waited for yet, so its number still names this group.
fn end_group(child: &Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Bounded::new(KEPT);
        let mut buffer = [0; 16 << 10];
        let Some(mut stream) = stream else { return Vec::new() };
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            kept.push(&buffer[..count]);
        }
        kept.into_bytes()
    })
}

fn joined(thread: thread::JoinHandle<Vec<u8>>) -> Vec<u8> {
    thread.join().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SH: Tool = Tool { program: "sh", debian: "dash", opensuse: "bash" };
    const SECONDS: Duration = Duration::from_secs(20);

    #[test]
    fn both_streams_and_the_status_come_back() {
        let output = run(&SH, &["-c", "echo out; echo err >&2"], SECONDS).unwrap();
        assert_eq!((output.stdout.as_slice(), output.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!(attempt(&SH, &["-c", "exit 3"], SECONDS).unwrap().status.code(), Some(3));
        let error = run(&SH, &["-c", "echo why >&2; exit 3"], SECONDS).unwrap_err();
        assert_eq!(error.to_string(), "`sh` failed with exit status: 3: why");
    }

    #[test]
    fn a_late_program_ends_with_its_children() {
        let before = Instant::now();
        let error = run(&SH, &["-c", "sleep 100 & sleep 100"], Duration::from_millis(100)).unwrap_err();
        assert!(matches!(error, Error::Late { .. }), "{error}");
        assert!(before.elapsed() < SECONDS);
    }

    #[test]
    fn a_child_left_behind_does_not_hold_us_up() {
        let before = Instant::now();
        run(&SH, &["-c", "sleep 100 & echo done"], SECONDS).unwrap();
        assert!(before.elapsed() < SECONDS);
    }

    #[test]
    fn endless_output_takes_bounded_memory() {
        let output = run(&SH, &["-c", "yes | head -c 5000000"], SECONDS).unwrap();
        assert!(output.stdout.len() <= KEPT + 100, "{}", output.stdout.len());
    }

    #[test]
    fn a_missing_program_names_its_packages() {
        let tool = Tool { program: "no-such-program", debian: "a", opensuse: "b" };
        let error = run(&tool, &["x"], SECONDS).unwrap_err();
        assert_eq!(error.to_string(), "`no-such-program` is not installed");
        assert_eq!(error.hints(), ["install the package `a` (Debian, Ubuntu) or `b` (openSUSE)"]);
        assert_eq!(error.exit(), Exit::Host);
        assert!(tool.find().is_none() && SH.find().is_some());
    }
}
