//! The outer half: starts this program again as the inner half, gives it its ids, and hears what it says.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
        unix::{net::UnixStream, process::CommandExt, process::ExitStatusExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::{
    fs::{Gid, Mode, OFlags, Uid},
    process::Pid,
};

use super::{
    Emulator, Error, INSIDE, Mapping, Means, Procfs, Step, doctor,
    inside::{FIRST_KEPT, Message, Orders, clear},
};
use crate::{exec::Bounded, profile::Arch};

/// A line longer than this is cut: memory stays bounded whatever the inner half writes.
const LONGEST_LINE: u64 = 16 << 20;

/// How the inner half ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Exit code; 128 and the number for a signal.
    pub code: i32,
    /// Standard error, perhaps with its middle left out; not yet made printable.
    pub stderr: Vec<u8>,
}

/// Finds out, by trying, how this machine lets us run programs in a root. Takes some milliseconds.
///
/// # Errors
/// It does not; the error names the setting.
pub fn probe() -> Result<Means, Error> {
    probe_with(Path::new("/proc/self/exe"))
}

/// As [`probe`], with another program as the inner half: one that calls [`super::inside::main`].
///
/// # Errors
/// As [`probe`].
pub fn probe_with(program: &Path) -> Result<Means, Error> {
    let mapping = Mapping::choose()?;
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a temporary folder", source))?;
    let work = open(folder.path())?;
    let mut means = Means { mapping, procfs: Procfs::Own, program: program.to_owned(), emulator: None };
    give(&means, work.as_fd())?;
    let tried = attempt(&means, &work);
    if matches!(tried, Err(Error::Refused { step: Step::Procfs, .. })) {
        means.procfs = Procfs::Bound;
        attempt(&means, &work)?;
    } else {
        tried?;
    }
    empty(&means, work.as_fd())?;
    Ok(means)
}

/// As [`probe`] found, and programs of `arch` run too: by the machine itself, or by QEMU's user mode.
///
/// # Errors
/// There is no emulator, or the kernel lets the sandbox have none.
pub fn emulate(means: Means, arch: Arch) -> Result<Means, Error> {
    let Some(emulator) = Emulator::of(arch)? else { return Ok(means) };
    let means = Means { emulator: Some(emulator), ..means };
    let folder = tempfile::tempdir().map_err(|source| Error::io("make a temporary folder", source))?;
    let work = open(folder.path())?;
    give(&means, work.as_fd())?;
    attempt(&means, &work)?;
    empty(&means, work.as_fd())?;
    Ok(means)
}

fn attempt(means: &Means, work: &OwnedFd) -> Result<(), Error> {
    let finished = run_inside(means, work.as_fd(), &["probe"], &[], |_| {})?;
    match finished.code {
        0 => Ok(()),
        code => Err(Error::Ended { code, said: tail(&finished.stderr) }),
    }
}

fn open(path: &Path) -> Result<OwnedFd, Error> {
    rustix::fs::open(path, OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
        .map_err(|source| Error::io("open the work folder", source))
}

/// Makes root inside the owner of a folder, which may then be handed to [`run_inside`]. Files in it stay as they are.
///
/// # Errors
/// The folder is not ours.
pub fn give(means: &Means, folder: BorrowedFd<'_>) -> Result<(), Error> {
    let Mapping::High { .. } = means.mapping else { return Ok(()) };
    let (uid, gid) = means.mapping.root();
    rustix::fs::fchown(folder, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .map_err(|source| Error::io("give the work folder to the sandbox", source))
}

/// Empties a folder whose files may belong to mapped ids, also one that a dead process left. uid 0 may remove them as
/// it is, a user has to be root inside.
///
/// # Errors
/// Something cannot be removed.
pub fn empty(means: &Means, folder: BorrowedFd<'_>) -> Result<(), Error> {
    if let Mapping::High { .. } = means.mapping {
        let path = format!("/proc/self/fd/{}/.", folder.as_raw_fd());
        return clear(Path::new(&path)).map_err(|source| Error::io("empty the work folder", source));
    }
    let finished = run_inside(means, folder, &["empty"], &[], |_| {})?;
    match finished.code {
        0 => Ok(()),
        code => Err(Error::Ended { code, said: tail(&finished.stderr) }),
    }
}

/// Runs the inner half to its end with `args`, the work folder as its working directory and `kept` as its further
/// descriptors, in order. Each line of its standard output goes to `on_line`.
///
/// # Errors
/// The sandbox cannot be set up. A failing inner half is no error.
pub fn run_inside(
    means: &Means,
    work: BorrowedFd<'_>,
    args: &[&str],
    kept: &[BorrowedFd<'_>],
    mut on_line: impl FnMut(&str),
) -> Result<Finished, Error> {
    let start = |source| Error::io("start the sandbox", source);
    let (ours, theirs) = UnixStream::pair().map_err(start)?;
    let orders =
        Orders { procfs: means.procfs, emulator: means.emulator.clone(), caller: std::process::id(), kept: kept.len() };
    let mut given = vec![theirs.as_fd(), work];
    given.extend(kept);
    let mut child = Killed(spawn(means, &orders, args, &given).map_err(start)?);
    drop(theirs);
    let stderr = collect(child.0.stderr.take());
    let set_up = introduce(means, &child.0, ours);
    if set_up.is_ok() {
        hear(child.0.stdout.take(), &mut on_line).map_err(|source| Error::io("hear the sandbox", source))?;
    } else {
        let _ = child.0.kill();
    }
    let status = child.0.wait().map_err(|source| Error::io("wait for the sandbox", source))?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    let finished = Finished { code, stderr: stderr.join().unwrap_or_default() };
    match set_up? {
        true => Ok(finished),
        false => Err(Error::Ended { code, said: tail(&finished.stderr) }),
    }
}

/// An inner half that does not outlive its caller's interest: an unwinding build clears up after it is gone.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both do nothing where it has been waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "this module is one of the two that may")]
#[expect(unsafe_code, reason = "no safe form hands down descriptors")]
fn spawn(means: &Means, orders: &Orders, args: &[&str], given: &[BorrowedFd<'_>]) -> io::Result<Child> {
    let orders = serde_json::to_string(orders)?;
    let mut command = Command::new(&means.program);
    command.arg0("rowi").args([INSIDE, &orders]).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Copies far above the numbers that they will have, so that none is overwritten before its turn.
    let above = FIRST_KEPT + RawFd::try_from(given.len()).unwrap_or(RawFd::MAX / 2) + 1;
    let copies =
        given.iter().map(|fd| Ok(rustix::io::fcntl_dupfd_cloexec(fd, above)?)).collect::<io::Result<Vec<OwnedFd>>>()?;
    let give_down = move || {
        for (number, copy) in (super::inside::CONTROL..).zip(&copies) {
            // SAFETY: a system call on numbers; nothing here owns the new ones.
            if unsafe { libc::dup2(copy.as_raw_fd(), number) } < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure makes system calls only and neither allocates nor locks.
    unsafe { command.pre_exec(give_down) };
    command.spawn()
}

/// Answers the inner half until it is set up. False when it ended without a word.
fn introduce(means: &Means, child: &Child, control: UnixStream) -> Result<bool, Error> {
    let talk = |source| Error::io("talk to the sandbox", source);
    let mut answers = control.try_clone().map_err(talk)?;
    let mut lines = BufReader::new(control.take(1 << 16));
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).map_err(talk)? == 0 {
            return Ok(false);
        }
        match serde_json::from_str(&line).map_err(|source| talk(source.into()))? {
            Message::MapMe => {
                means.mapping.write(Pid::from_child(child))?;
                answers.write_all(b"\n").map_err(talk)?;
            }
            Message::Failed { step, errno } => {
                let source = io::Error::from_raw_os_error(errno);
                let advice = doctor::advice(step, &source);
                return Err(Error::Refused { step, source, advice });
            }
            Message::Ready => return Ok(true),
        }
    }
}

fn hear(stream: Option<impl Read>, on_line: &mut impl FnMut(&str)) -> io::Result<()> {
    let Some(stream) = stream else { return Ok(()) };
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    while (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line)? > 0 {
        on_line(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        line.clear();
    }
    Ok(())
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut kept = Bounded::new(64 << 10);
        let mut buffer = [0; 4 << 10];
        let Some(mut stream) = stream else { return Vec::new() };
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            kept.push(&buffer[..count]);
        }
        kept.into_bytes()
    })
}

/// The last line, for people.
fn tail(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    crate::report::printable(last.unwrap_or("it said nothing"))
}
