//! A terminal for a shell in the sandbox: a new one of the kernel's (pty(7)), never the caller's own, with bytes carried
//! to and fro while the shell has it.

use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Read, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize},
};

use super::{Failure, Screen};
use crate::{
    build,
    report::{Event, Report},
};

/// How often the size of the caller's terminal is looked at.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };

/// Both ends of a new terminal.
pub(super) struct Terminal {
    ours: Arc<File>,
    theirs: Arc<OwnedFd>,
}

impl Terminal {
    pub(super) fn open() -> Result<Self, Failure> {
        let failed = |source: io::Error| Failure::host("cannot open a terminal").because(source);
        let open = || -> io::Result<Self> {
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let ours = openpt(flags)?;
            grantpt(&ours)?;
            unlockpt(&ours)?;
            let theirs = ioctl_tiocgptpeer(&ours, flags)?;
            Ok(Self { ours: Arc::new(ours.into()), theirs: Arc::new(theirs) })
        };
        open().map_err(failed)
    }

    /// The end that the shell gets.
    pub(super) fn for_shell(&self) -> build::Terminal {
        let term = env::var("TERM").unwrap_or_else(|_| "dumb".into());
        build::Terminal { descriptor: self.theirs.clone(), term }
    }

    /// Where stages send their events: the screen's, with the terminal the shell's while that is open.
    pub(super) fn report(&self, screen: &Screen) -> Report {
        let shown = screen.report();
        let terminal = self.ours.clone();
        let carrier: Mutex<Option<Carrier>> = Mutex::new(None);
        Report::new(move |event| {
            let opened = matches!(event, Event::ShellOpened { .. });
            let closed = matches!(event, Event::ShellClosed);
            shown.emit(event);
            let mut carrier = carrier.lock().unwrap_or_else(PoisonError::into_inner);
            if opened {
                *carrier = Carrier::start(terminal.clone()).ok();
            } else if closed {
                *carrier = None;
            }
        })
    }
}

/// Carries bytes until it is dropped; then the caller's terminal is as it was.
struct Carrier {
    thread: Option<JoinHandle<()>>,
    /// Closed to end the thread.
    stop: Option<OwnedFd>,
    before: Option<Termios>,
}

impl Carrier {
    fn start(terminal: Arc<File>) -> io::Result<Self> {
        let (stopped, stop) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut before = None;
        if io::stdin().is_terminal() {
            let as_it_is = tcgetattr(io::stdin())?;
            let mut raw = as_it_is.clone();
            raw.make_raw();
            tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
            before = Some(as_it_is);
        } else {
            // Input that nobody types is not shown.
            let mut quiet = tcgetattr(&*terminal)?;
            quiet.local_modes.remove(rustix::termios::LocalModes::ECHO);
            tcsetattr(&*terminal, OptionalActions::Now, &quiet)?;
        }
        let thread = std::thread::spawn(move || {
            // When it ends early, the shell goes on without a person, who can interrupt it.
            let _ = carry(&terminal, &stopped);
        });
        Ok(Self { thread: Some(thread), stop: Some(stop), before })
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop = None;
        let _ = self.thread.take().map(JoinHandle::join);
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
    }
}

/// Until told to stop, and all that was written is out.
fn carry(terminal: &File, stopped: &OwnedFd) -> io::Result<()> {
    let stdin = io::stdin();
    let mut typing = true;
    loop {
        if let Ok(size) = tcgetwinsize(io::stdout()) {
            tcsetwinsize(terminal, size)?;
        }
        let mut polled = vec![PollFd::new(terminal, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        if typing {
            polled.push(PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN));
        }
        match poll(&mut polled, Some(&LOOK)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let came = |at: usize| polled.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let (from_shell, over, from_person) = (came(0), came(1), came(2));
        if from_shell {
            let mut buffer = [0; 4096];
            let count = (&*terminal).read(&mut buffer)?;
            let mut out = io::stdout().lock();
            out.write_all(&buffer[..count]).and_then(|()| out.flush())?;
        } else if over {
            return Ok(());
        }
        if from_person {
            let mut buffer = [0; 1024];
            let count = rustix::io::read(&stdin, &mut buffer)?;
            typing = count > 0;
            (&*terminal).write_all(&buffer[..count])?;
        } else if !typing && !from_shell {
            // Said until somebody is there to hear it: between two readers it is lost.
            (&*terminal).write_all(&[tcgetattr(terminal)?.special_codes[SpecialCodeIndex::VEOF]])?;
        }
    }
}
