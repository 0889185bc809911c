//! The process in the root that runs commands one by one, and the conversation with it.
//!
//! It is forked before the build has a second thread, stays single-threaded itself, and is pid 1 of its own pid
//! namespace: a command's processes are numbered alike on every machine, `/proc/1/root` is `/`, and what a command
//! leaves running is ended with it. All commands see the same `/run`, `/tmp` and `/var/tmp`.
//!
//! A request is a length (four bytes, little-endian) and JSON. An answer is a kind, a length and bytes: any number of
//! pieces of output, then the end.

use std::{
    io::{self, Read, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    process::{Pid, PidfdFlags, pidfd_open},
};

use super::{
    Command, Ended, Procfs, confine,
    job::{self, End},
    mounts, system,
};
use crate::{exec::Bounded, profile::Native};

/// The longest request or answer: a script and a list of files fit many times.
const LONGEST: u32 = 256 << 20;

/// Bytes of output kept of a command.
const KEPT: usize = 1 << 20;

/// A longer line of output is cut in two.
const LONGEST_LINE: usize = 8 << 10;

const OUTPUT: u8 = b'o';
const END: u8 = b'e';
const FAULT: u8 = b'f';

/// Where commands run, and what they find there.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The root.
    pub root: &'a Path,
    /// Which `/proc` it has.
    pub procfs: Procfs,
    /// The builder's own programs, if the root is for another machine.
    pub tools: Option<&'a Tools>,
}

/// A tool root: a folder in which the builder's own programs are, or will be ([`super::native::begin`]).
#[derive(Clone, Debug)]
pub struct Tools {
    /// The folder.
    pub folder: PathBuf,
    /// What the distribution says of it.
    pub native: Native,
}

/// Runs commands in a root. Ends, with all that runs in the root, when it is dropped.
#[derive(Debug)]
#[must_use = "commands run in it"]
pub struct Server {
    stream: Option<UnixStream>,
    process: Pid,
    owner: Pid,
}

impl Server {
    /// Enters a root, making the folders in it that are mounted over (`dev`, `proc`, `sys`, `run`, `tmp`, `var/tmp`)
    /// where they are missing. To be called while this process has one thread. `call` is what
    /// [`super::What::Call`] runs, in a child of the server's; its result is the exit code. `terminal` is for
    /// [`Command::terminal`].
    ///
    /// # Errors
    /// The root cannot be entered.
    pub fn start(place: Place<'_>, call: fn(&[u8]) -> i32, terminal: Option<OwnedFd>) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        let owner = rustix::process::getpid();
        match system::fork()? {
            system::Forked::Child => {
                drop(ours);
                let done = live(place, call, owner, &Held { stream: theirs, terminal });
                system::leave(i32::from(done.is_err()))
            }
            system::Forked::Parent(process) => {
                drop(theirs);
                let mut server = Self { stream: Some(ours), process, owner };
                server.answer(&mut |_| {})?;
                Ok(server)
            }
        }
    }

    /// Runs a command to its end. Its output goes to `on_line` line by line as it comes, without line ends and not
    /// yet printable.
    ///
    /// # Errors
    /// The server itself is gone, or cannot start anything.
    pub fn run(&mut self, command: &Command, on_line: &mut dyn FnMut(&[u8])) -> io::Result<Ended> {
        let request = serde_json::to_vec(command)?;
        send(self.stream()?, &request)?;
        let mut kept = Bounded::new(KEPT);
        let mut line = Vec::new();
        let end = self.answer(&mut |piece| {
            kept.push(piece);
            for byte in piece {
                let over = *byte == b'\n';
                if !over {
                    line.push(*byte);
                }
                if over || line.len() >= LONGEST_LINE {
                    on_line(&line);
                    line.clear();
                }
            }
        })?;
        if !line.is_empty() {
            on_line(&line);
        }
        Ok(Ended { end, output: kept.into_bytes() })
    }

    fn stream(&mut self) -> io::Result<&mut UnixStream> {
        self.stream.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn answer(&mut self, output: &mut dyn FnMut(&[u8])) -> io::Result<End> {
        loop {
            let stream = self.stream()?;
            let mut kind = [0];
            stream.read_exact(&mut kind)?;
            let bytes = receive(stream)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            match kind[0] {
                OUTPUT => output(&bytes),
                END => return Ok(serde_json::from_slice(&bytes)?),
                _ => return Err(io::Error::other(String::from_utf8_lossy(&bytes).into_owned())),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stream = None;
        // A forked child holds a copy that is not its own.
        if rustix::process::getpid() == self.owner {
            let _ = system::wait_for(self.process);
        }
    }
}

/// What the server has open.
struct Held {
    stream: UnixStream,
    terminal: Option<OwnedFd>,
}

/// The life of the first child: makes the namespaces, and waits for the server in them.
fn live(place: Place<'_>, call: fn(&[u8]) -> i32, owner: Pid, held: &Held) -> io::Result<()> {
    let procfs = place.procfs;
    // Without a pid namespace somebody has to survive the build, and end what it leaves.
    if procfs == Procfs::Own && !system::die_with(Some(owner))? {
        return Ok(());
    }
    let namespaces = match procfs {
        Procfs::Own => libc::CLONE_NEWNS | libc::CLONE_NEWPID,
        Procfs::Bound => libc::CLONE_NEWNS,
    };
    system::unshare(namespaces)?;
    let own = rustix::process::getpid();
    match system::fork()? {
        system::Forked::Parent(server) => {
            let Held { stream, terminal } = only(held)?;
            drop(terminal);
            match procfs {
                Procfs::Own => drop(stream),
                Procfs::Bound => outlive(&stream, server)?,
            }
            system::wait_for(server).map(drop)
        }
        system::Forked::Child => {
            if !system::die_with((procfs == Procfs::Bound).then_some(own))? {
                return Ok(());
            }
            if procfs == Procfs::Bound {
                rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
            }
            let mut held = only(held)?;
            match settle(place) {
                Ok(()) => reply(&mut held.stream, END, &serde_json::to_vec(&End::Exit(0))?)?,
                Err(error) => return reply(&mut held.stream, FAULT, format!("entering the root: {error}").as_bytes()),
            }
            serve(&mut held, procfs, call)
        }
    }
}

/// Waits until the build or the server has ended, and ends all that remains of the server and its commands.
fn outlive(stream: &UnixStream, server: Pid) -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let server = pidfd_open(server, PidfdFlags::empty())?;
    // Of the conversation only its end: that is always told.
    let mut polled = [PollFd::new(stream, PollFlags::empty()), PollFd::new(&server, PollFlags::IN)];
    while let Err(error) = poll(&mut polled, None) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    job::end_all(Procfs::Bound);
    system::leave(0)
}

/// Keeps these descriptors and nothing else of what the build has open.
fn only(held: &Held) -> io::Result<Held> {
    let wanted = [Some(held.stream.as_fd()), held.terminal.as_ref().map(AsFd::as_fd)];
    // Copies above the numbers that they will have, so that none is overwritten before its turn.
    let copies = wanted.into_iter().flatten().map(|fd| rustix::io::fcntl_dupfd_cloexec(fd, 5));
    let copies = copies.collect::<Result<Vec<OwnedFd>, _>>()?;
    let mut kept = Vec::new();
    for (number, copy) in (3..).zip(&copies) {
        let mut low = std::mem::ManuallyDrop::new(system::descriptor(number));
        rustix::io::dup3(copy, &mut low, rustix::io::DupFlags::CLOEXEC)?;
        kept.push(std::mem::ManuallyDrop::into_inner(low));
    }
    std::mem::forget(copies);
    system::close_from(if kept.len() > 1 { 5 } else { 4 });
    let mut kept = kept.into_iter();
    let stream = kept.next().ok_or(io::ErrorKind::NotConnected)?.into();
    Ok(Held { stream, terminal: kept.next() })
}

fn settle(Place { root, procfs, tools }: Place<'_>) -> io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::umask(rustix::fs::Mode::empty());
    let mounts = mounts::Mounts::make(procfs, tools)?;
    mounts::enter(root, mounts)?;
    let null = std::fs::File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    rustix::stdio::dup2_stdout(null.as_fd())?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    confine::confine()
}

/// Until the build hangs up.
fn serve(held: &mut Held, procfs: Procfs, call: fn(&[u8]) -> i32) -> io::Result<()> {
    let Held { stream, terminal } = held;
    while let Some(request) = receive(stream)? {
        let command: Command = serde_json::from_slice(&request)?;
        let ended = job::run(&command, terminal.as_ref(), procfs, call, &mut |piece| reply(stream, OUTPUT, piece));
        match ended {
            Ok(end) => reply(stream, END, &serde_json::to_vec(&end)?)?,
            Err(error) => reply(stream, FAULT, error.to_string().as_bytes())?,
        }
    }
    Ok(())
}

fn reply(stream: &mut UnixStream, kind: u8, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&[kind])?;
    send(stream, bytes)
}

fn send(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= LONGEST);
    stream.write_all(&length.ok_or(io::ErrorKind::FileTooLarge)?.to_le_bytes())?;
    stream.write_all(bytes)
}

/// Nothing when the other side has hung up.
fn receive(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    stream.take(length.into()).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}
