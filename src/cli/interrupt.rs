//! Ctrl-C and `kill`: the build is unwound, so that every guard clears up after itself, and the exit code is 130.
//!
//! The handler sets a flag; the next event of a stage sees it and unwinds ([`stop_if_asked`]). A stage that is silent
//! for too long is not waited for: what it leaves is a work folder that nobody holds, which the next command removes,
//! and the sandbox dies with this process.

use std::{
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{Failure, Outcome};
use crate::report::Exit;

/// How long stages have to notice.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often the flag is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(100);

static ASKED: AtomicBool = AtomicBool::new(false);

/// What an unwinding build carries.
struct Stopped;

extern "C" fn ask(_signal: libc::c_int) {
    ASKED.store(true, Ordering::Relaxed);
}

/// Runs a command so that signals end it in order.
pub(super) fn guarded(run: impl FnOnce() -> Outcome) -> Outcome {
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP].into_iter().for_each(listen);
    thread::spawn(watch);
    let outcome = panic::catch_unwind(panic::AssertUnwindSafe(run));
    match outcome {
        Ok(outcome) if !was_asked() => outcome,
        Err(payload) if !payload.is::<Stopped>() && !was_asked() => panic::resume_unwind(payload),
        _ => Err(Failure::interrupted()),
    }
}

/// Unwinds the stage that emits an event after a signal.
pub(super) fn stop_if_asked() {
    if was_asked() && !thread::panicking() {
        panic::resume_unwind(Box::new(Stopped));
    }
}

fn was_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// A signal that the caller ignores stays ignored (`nohup`).
#[expect(unsafe_code, reason = "no safe form of sigaction is among the dependencies")]
fn listen(signal: libc::c_int) {
    // SAFETY: the handler does nothing but store to an atomic, which a signal handler may do.
    unsafe {
        if libc::signal(signal, libc::SIG_IGN) != libc::SIG_IGN {
            libc::signal(signal, ask as *const () as libc::sighandler_t);
        }
    }
}

fn watch() {
    while !was_asked() {
        thread::sleep(LOOK);
    }
    thread::sleep(PATIENCE);
    std::process::exit(Exit::Interrupted as i32);
}
