//! The inner half: enters the namespaces before it has a second thread, then does what it was called for.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
    path::Path,
    process::ExitCode,
};

use rustix::{
    process::{DumpableBehavior, Gid, Pid, Uid, fchdir, set_dumpable_behavior},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};
use serde::{Deserialize, Serialize};

use super::{Command, Emulator, INSIDE, Procfs, Server, Step, confine, emulation, mounts, system};

/// Descriptor of the conversation with the outer half.
pub(super) const CONTROL: RawFd = 3;
/// Descriptor of the work folder.
const WORK: RawFd = 4;
/// The first of the further descriptors.
pub(super) const FIRST_KEPT: RawFd = 5;

/// What the outer half wants, as its second argument.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) procfs: Procfs,
    pub(super) emulator: Option<Emulator>,
    pub(super) caller: u32,
    pub(super) kept: usize,
}

/// What the inner half says while it is set up, one a line. [`Message::MapMe`] is answered with an empty line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(super) enum Message {
    MapMe,
    Failed { step: Step, errno: i32 },
    Ready,
}

/// A process that is root inside: pid 1 of its pid namespace (if it has one), with the work folder as working
/// directory. Paths outside of that folder mean nothing here.
#[derive(Debug)]
pub struct Inside {
    /// Which `/proc` roots see.
    pub procfs: Procfs,
    /// The descriptors that the caller handed down, in order.
    pub kept: Vec<OwnedFd>,
    /// The arguments that the caller gave.
    pub args: Vec<String>,
    /// What runs programs of another architecture, if the sandbox itself says so.
    pub registrations: Option<emulation::Registrations>,
}

/// To be called first of all in `main`, while there is one thread. Nothing when this process is not an inner half;
/// otherwise its whole life: `probe`, `empty` and `run` are done here, and everything else by `work`.
pub fn main(work: impl FnOnce(Inside) -> ExitCode) -> Option<ExitCode> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() != Some(INSIDE) {
        return None;
    }
    let Some(orders) = args.next().and_then(|text| serde_json::from_str::<Orders>(&text).ok()) else {
        return Some(ExitCode::from(2));
    };
    let inside = match enter(&orders, args.collect()) {
        Ok(inside) => inside,
        Err(Fault { step, source }) => {
            let errno = source.raw_os_error().unwrap_or(libc::EIO);
            let _ = say(&Message::Failed { step, errno });
            return Some(ExitCode::from(4));
        }
    };
    let done = match inside.args.first().map(String::as_str) {
        Some("probe") => Ok(ExitCode::SUCCESS),
        Some("empty") => clear(Path::new(".")).map(|()| ExitCode::SUCCESS),
        Some("run") => run(&inside),
        _ => return Some(work(inside)),
    };
    Some(done.unwrap_or_else(|error| complain(&error)))
}

#[expect(clippy::print_stderr, reason = "the outer half collects it")]
fn complain(error: &io::Error) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(1)
}

/// A step that failed.
struct Fault {
    step: Step,
    source: io::Error,
}

/// Marks errors with the step that they belong to.
fn at<E: Into<io::Error>>(step: Step) -> impl Fn(E) -> Fault {
    move |source| Fault { step, source: source.into() }
}

fn enter(orders: &Orders, args: Vec<String>) -> Result<Inside, Fault> {
    live_with(Pid::from_raw(orders.caller.cast_signed())).map_err(at(Step::User))?;
    rustix::io::fcntl_setfd(control(), rustix::io::FdFlags::CLOEXEC).map_err(at(Step::User))?;
    system::unshare(libc::CLONE_NEWUSER).map_err(at(Step::User))?;
    take_ids().map_err(at(Step::Ids))?;
    live_with(Pid::from_raw(orders.caller.cast_signed())).map_err(at(Step::Ids))?;
    // Before the mount namespace, which takes the working directory along but no descriptor.
    let kept = descriptors(orders.kept);
    let mut others = libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNET;
    if orders.procfs == Procfs::Own {
        others |= libc::CLONE_NEWPID;
    }
    fchdir(work_folder()).map_err(at(Step::Ids))?;
    system::unshare(others).map_err(at(Step::Namespaces))?;
    rustix::system::sethostname(b"localhost").map_err(at(Step::Namespaces))?;
    mounts::private().and_then(|()| mounts::reach_work()).map_err(at(Step::Mounts))?;
    first_process(orders.procfs).map_err(at(Step::Namespaces))?;
    let registrations = match &orders.emulator {
        Some(emulator) => emulation::begin(emulator, Path::new(".")).map_err(at(Step::Emulation))?,
        None => None,
    };
    rehearse(orders.procfs)?;
    say(&Message::Ready).map_err(at(Step::Namespaces))?;
    close_control();
    Ok(Inside { procfs: orders.procfs, kept, args, registrations })
}

/// This process ends when `parent` does, or at once if that is gone.
fn live_with(parent: Option<Pid>) -> io::Result<()> {
    match system::die_with(parent)? {
        true => Ok(()),
        false => system::leave(1),
    }
}

/// Asks for the map and becomes root.
fn take_ids() -> io::Result<()> {
    say(&Message::MapMe)?;
    let mut answer = String::new();
    BufReader::with_capacity(1, control_stream()?).read_line(&mut answer)?;
    if answer.is_empty() {
        system::leave(1);
    }
    set_thread_groups(&[])?;
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    // Without it `/proc/self` belongs to a root that is not this one.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    Ok(())
}

/// Goes on in a child, which is the first process of the pid namespace if there is a new one; this process waits for
/// it and ends as it does.
fn first_process(procfs: Procfs) -> io::Result<()> {
    let own = rustix::process::getpid();
    match system::fork()? {
        system::Forked::Parent(child) => {
            close_control();
            system::leave(system::wait_for(child).unwrap_or(1))
        }
        // The parent of a namespace's first process is outside of it, and so has no number.
        system::Forked::Child => live_with((procfs == Procfs::Bound).then_some(own)),
    }
}

/// Tries in a child what the server will do, so that a machine that refuses it says so before the work begins.
fn rehearse(procfs: Procfs) -> Result<(), Fault> {
    let steps = [Step::Procfs, Step::Mounts, Step::Confine];
    let (mut ours, theirs) = UnixStream::pair().map_err(at(Step::Mounts))?;
    match system::fork().map_err(at(Step::Namespaces))? {
        system::Forked::Child => {
            let tried = rehearsal(procfs);
            let (step, errno) = tried.err().map_or((0, 0), |fault| {
                let step = steps.iter().position(|step| *step == fault.step).unwrap_or(1);
                (step, fault.source.raw_os_error().unwrap_or(libc::EIO))
            });
            let _ = (&theirs).write_all(&[step.to_le_bytes()[0]]);
            let _ = (&theirs).write_all(&errno.to_le_bytes());
            system::leave(0)
        }
        system::Forked::Parent(child) => {
            drop(theirs);
            let mut said = [0; 5];
            let heard = io::Read::read_exact(&mut ours, &mut said);
            system::wait_for(child).map_err(at(Step::Namespaces))?;
            heard.map_err(at(Step::Confine))?;
            match i32::from_le_bytes([said[1], said[2], said[3], said[4]]) {
                0 => Ok(()),
                errno => Err(Fault { step: steps[usize::from(said[0])], source: io::Error::from_raw_os_error(errno) }),
            }
        }
    }
}

fn rehearsal(procfs: Procfs) -> Result<(), Fault> {
    system::unshare(libc::CLONE_NEWNS).map_err(at(Step::Mounts))?;
    drop(mounts::process_files(procfs).map_err(at(Step::Procfs))?);
    drop(mounts::Mounts::make(procfs, None).map_err(at(Step::Mounts))?);
    confine::confine().map_err(at(Step::Confine))
}

/// Everything in a folder goes, the folder stays.
pub(super) fn clear(folder: &Path) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        crate::cache::remove_tree(&entry?.path())?;
    }
    Ok(())
}

/// `run ROOT`: runs commands from the first descriptor, one a line as JSON, and answers each with its end as a line.
fn run(inside: &Inside) -> io::Result<ExitCode> {
    let root = inside.args.get(1).ok_or(io::ErrorKind::InvalidInput)?;
    let commands = inside.kept.first().ok_or(io::ErrorKind::InvalidInput)?.try_clone()?;
    let mut server = Server::for_scriptlets(Path::new(root), inside.procfs, None, None)?;
    let mut out = io::stdout().lock();
    for line in BufReader::new(fs_err::File::from_parts(commands.into(), "commands")).lines() {
        let command: Command = serde_json::from_str(&line?)?;
        let ended = server.run(&command, &mut |_| {})?;
        serde_json::to_writer(&mut out, &ended)?;
        out.write_all(b"\n")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn say(message: &Message) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    control_stream()?.write_all(&line)
}

fn control_stream() -> io::Result<UnixStream> {
    Ok(control().try_clone_to_owned()?.into())
}

#[expect(unsafe_code, reason = "descriptors that were handed down have numbers, not owners")]
fn control<'a>() -> std::os::fd::BorrowedFd<'a> {
    // SAFETY: the outer half opened it, and it is used only until `close_control`.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(CONTROL) }
}

#[expect(unsafe_code, reason = "descriptors that were handed down have numbers, not owners")]
fn close_control() {
    // SAFETY: nothing uses the number afterwards.
    drop(unsafe { OwnedFd::from_raw_fd(CONTROL) });
}

#[expect(unsafe_code, reason = "descriptors that were handed down have numbers, not owners")]
fn work_folder() -> OwnedFd {
    // SAFETY: the outer half opened it for this process, and this is called once.
    unsafe { OwnedFd::from_raw_fd(WORK) }
}

#[expect(unsafe_code, reason = "descriptors that were handed down have numbers, not owners")]
fn descriptors(count: usize) -> Vec<OwnedFd> {
    let numbers = (FIRST_KEPT..).take(count);
    // SAFETY: the outer half opened as many for this process, and this is called once.
    let kept: Vec<OwnedFd> = numbers.map(|number| unsafe { OwnedFd::from_raw_fd(number) }).collect();
    for fd in &kept {
        let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
    }
    kept
}
