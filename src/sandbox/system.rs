//! System calls that no crate offers safely, each in the smallest wrapper.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use rustix::process::{Pid, Signal, WaitOptions, set_parent_process_death_signal, waitpid};

/// Which side of a [`fork`] this is.
pub(super) enum Forked {
    /// The process that forked.
    Parent(Pid),
    /// The new one.
    Child,
}

/// Copies this process. Only for processes with one thread: a lock that another thread holds would stay held in the
/// copy.
#[expect(unsafe_code, reason = "fork has no safe form")]
pub(super) fn fork() -> io::Result<Forked> {
    // SAFETY: callers have one thread, so the child is a whole copy of the process.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(Pid::from_raw(pid).expect("fork gives a positive number"))),
    }
}

/// Moves this process into new namespaces (`CLONE_NEW*`).
#[expect(unsafe_code, reason = "the safe form was withdrawn, since some flags share less than Rust relies on")]
pub(super) fn unshare(namespaces: libc::c_int) -> io::Result<()> {
    // SAFETY: namespaces take no memory or descriptors away; callers pass no other flag.
    match unsafe { libc::unshare(namespaces) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Makes a mount of ours read-only, whatever else it is (mount_setattr(2)).
#[expect(unsafe_code, reason = "the crate in use has no such call")]
pub(super) fn read_only(mount: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let size = size_of_val(&attributes);
    let (path, flags) = (c"".as_ptr(), libc::AT_EMPTY_PATH);
    // SAFETY: the kernel reads `size` bytes of the structure and the empty path during the call.
    let done =
        unsafe { libc::syscall(libc::SYS_mount_setattr, mount.as_raw_fd(), path, flags, &raw const attributes, size) };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without the handlers that its parent registered.
#[expect(unsafe_code, reason = "a forked child must not run the parent's exit handlers")]
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: no memory is touched.
    unsafe { libc::_exit(code) }
}

/// Puts a filter on the system calls of this process and of its children, for good. Needs `CAP_SYS_ADMIN` in this
/// namespace, which is why `no_new_privs` can stay off.
#[expect(unsafe_code, reason = "no crate in use has this call")]
pub(super) fn filter(program: &[libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len().try_into().map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel copies the program during the call and does not write to it.
    let done = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends SIGKILL to every process of this pid namespace but this one, which must be its pid 1.
#[expect(unsafe_code, reason = "the crate in use has no way to name all processes")]
pub(super) fn kill_all() {
    debug_assert_eq!(std::process::id(), 1);
    // SAFETY: no memory is touched.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// This process ends when its parent does. False when the parent has ended already.
///
/// Changing ids takes the signal away again, so it is asked for after each change.
pub(super) fn die_with(parent: Option<Pid>) -> io::Result<bool> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    Ok(rustix::process::getppid() == parent)
}

/// Waits for a child; its exit code as a shell gives it.
pub(super) fn wait_for(pid: Pid) -> io::Result<i32> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                let signal = status.terminating_signal().map_or(1, |signal| 128 + signal);
                return Ok(status.exit_status().unwrap_or(signal));
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Closes every descriptor from `first` on. For children that end by [`leave`] or exec: whoever owns the descriptors
/// in this copy of the process is never dropped.
#[expect(unsafe_code, reason = "closes descriptors by number")]
pub(super) fn close_from(first: u32) {
    // SAFETY: the owners of these numbers are never used again in this process.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Signals as a program expects them at its start: Rust's runtime ignores SIGPIPE.
#[expect(unsafe_code, reason = "no crate in use sets handlers")]
pub(super) fn default_signals() {
    // SAFETY: the default action is no handler of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
}

/// Exchanges the whole environment of this process, which has one thread.
#[expect(unsafe_code, reason = "the environment is shared by all threads")]
pub(super) fn replace_environment(environment: &std::collections::BTreeMap<String, String>) {
    for (name, _) in std::env::vars_os() {
        // SAFETY: there is no other thread that could read it.
        unsafe { std::env::remove_var(name) };
    }
    for (name, value) in environment {
        if !name.is_empty() && !name.contains(['=', '\0']) && !value.contains('\0') {
            // SAFETY: as above.
            unsafe { std::env::set_var(name, value) };
        }
    }
}

/// Takes over a descriptor by its number.
#[expect(unsafe_code, reason = "numbers have no owner")]
pub(super) fn descriptor(number: i32) -> std::os::fd::OwnedFd {
    use std::os::fd::FromRawFd;
    // SAFETY: callers are forked children that are about to forget all other owners of descriptors.
    unsafe { std::os::fd::OwnedFd::from_raw_fd(number) }
}
