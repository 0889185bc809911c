//! Processes of a Lua scriptlet. Nothing here is called outside of the sandbox's child, which has one thread.

use std::{
    ffi::{CString, OsStr},
    io,
};

use rustix::process::{Pid, WaitOptions, waitpid};

/// How a child ended.
pub(super) struct Ended {
    pub(super) pid: i32,
    pub(super) how: &'static str,
    pub(super) code: i32,
}

/// The child's number, or 0 in the child.
#[expect(unsafe_code, reason = "fork has no safe form")]
pub(super) fn fork() -> io::Result<i32> {
    // SAFETY: the process has one thread, so the child is a whole copy of it.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        pid => Ok(pid),
    }
}

/// Becomes another program, looked for along PATH. Comes back only when that fails.
#[expect(unsafe_code, reason = "exec without std's Command, which belongs to the sandbox")]
pub(super) fn exec(argv: &[Vec<u8>]) -> io::Error {
    let Ok(argv) = argv.iter().map(|arg| CString::new(arg.as_slice())).collect::<Result<Vec<_>, _>>() else {
        return io::Error::from(io::ErrorKind::InvalidInput);
    };
    let Some(program) = argv.first() else { return io::Error::from(io::ErrorKind::InvalidInput) };
    let mut pointers: Vec<*const libc::c_char> = argv.iter().map(|arg| arg.as_ptr()).collect();
    pointers.push(std::ptr::null());
    // SAFETY: strings and the list of pointers to them end with zero and live until the call is over.
    unsafe { libc::execvp(program.as_ptr(), pointers.as_ptr()) };
    io::Error::last_os_error()
}

/// Runs a program to its end.
pub(super) fn run(argv: &[Vec<u8>]) -> io::Result<Ended> {
    match fork()? {
        0 => {
            exec(argv);
            exit(127)
        }
        pid => wait(Some(pid)),
    }
}

/// Waits for one child, or any.
pub(super) fn wait(pid: Option<i32>) -> io::Result<Ended> {
    let pid = pid.filter(|&pid| pid > 0).and_then(Pid::from_raw);
    let (pid, status) = waitpid(pid, WaitOptions::empty())?.ok_or(io::ErrorKind::WouldBlock)?;
    let (how, code) = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => ("exited", code),
        (_, Some(signal)) => ("killed", signal),
        _ => ("stopped", 0),
    };
    Ok(Ended { pid: pid.as_raw_nonzero().get(), how, code })
}

/// Ends without running anything of the parent's.
#[expect(unsafe_code, reason = "a forked child must not run the parent's exit handlers")]
pub(super) fn exit(code: i32) -> ! {
    // SAFETY: it only ends the process.
    unsafe { libc::_exit(code) }
}

/// Changes the environment.
#[expect(unsafe_code, reason = "the environment is one for all threads")]
pub(super) fn set_env(name: &OsStr, value: Option<&OsStr>) {
    use std::os::unix::ffi::OsStrExt;
    let bad = |text: &OsStr| text.is_empty() || text.as_bytes().iter().any(|byte| matches!(byte, b'=' | 0));
    if bad(name) || value.is_some_and(|value| value.as_bytes().contains(&0)) {
        return;
    }
    // SAFETY: the process has one thread.
    unsafe {
        match value {
            Some(value) => std::env::set_var(name, value),
            None => std::env::remove_var(name),
        }
    }
}
