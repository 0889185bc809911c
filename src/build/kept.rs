//! Trees that builds kept because they failed: looked into, and removed.
//!
//! Their files belong to the sandbox's ids, so that a user can neither enter nor remove them without it.

use std::{
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::Arc,
};

use super::{
    Error,
    inside::{ROOT, SHELL},
    outside,
};
use crate::{profile::Arch, report::Report, sandbox};

/// A terminal for a shell in a root.
#[derive(Clone, Debug)]
pub struct Terminal {
    /// Its descriptor, which the shell gets.
    pub descriptor: Arc<OwnedFd>,
    /// Its kind, `$TERM`.
    pub term: String,
}

/// Opens a shell in a tree that was kept.
///
/// # Errors
/// There is none, or the sandbox cannot be had.
pub fn shell(folder: &Path, terminal: &Terminal, report: &Report) -> Result<(), Error> {
    let handle = open(folder)?;
    let mut means = outside::means(report)?;
    // Of which architecture the tree is, only the inner half can see.
    for arch in [Arch::X86_64, Arch::Aarch64] {
        means = sandbox::emulate(means.clone(), arch).unwrap_or(means);
    }
    let args = [SHELL, &terminal.term];
    outside::talk(&means, handle.as_fd(), &args, &[terminal.descriptor.as_fd()], |_| Some(()), report)
}

/// Removes a tree that was kept, and its folder.
///
/// # Errors
/// There is none, or the sandbox cannot be had.
pub fn remove(folder: &Path, report: &Report) -> Result<(), Error> {
    let handle = open(folder)?;
    sandbox::empty(&outside::means(report)?, handle.as_fd())?;
    fs_err::remove_dir(folder).map_err(|source| Error::Work { source })
}

/// The folder, if a build made it: nothing else has these names.
fn open(folder: &Path) -> Result<fs_err::File, Error> {
    let is_ours = |name: &str| folder.join(name).symlink_metadata().is_ok_and(|found| found.is_dir());
    if ![ROOT, super::job::PACKAGES, super::job::INPUTS, super::job::INITRDS].into_iter().all(is_ours) {
        return Err(Error::NotKept { folder: folder.to_owned() });
    }
    fs_err::File::open(folder).map_err(|source| Error::Work { source })
}
