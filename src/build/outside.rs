//! The outer half: a work folder with everything that the inner half needs, and the conversation with it.

use std::{
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd},
    path::{Path, PathBuf},
};

use super::{
    Error,
    initrds::Initrds,
    inside::BUILD,
    job::{INITRDS, INPUTS, Job, Line, Made, PACKAGES},
    results::Files,
};
use crate::{
    cache::Cache,
    report::{Exit, Report},
    sandbox::{self, Means, Procfs},
};

/// What this machine allows the sandbox.
pub(super) fn means(report: &Report) -> Result<Means, Error> {
    let means = sandbox::probe()?;
    if means.procfs == Procfs::Bound {
        report.warn("the kernel refuses a procfs of the sandbox's own: scriptlets see the processes of their caller");
    }
    Ok(means)
}

/// A work folder of this build; emptied and removed when it goes.
pub(super) struct Work {
    path: PathBuf,
    handle: fs_err::File,
    means: Means,
    /// Removes the folder itself.
    _holder: Option<tempfile::TempDir>,
}

impl Work {
    /// Below `folder`, else in the cache's own work folder.
    pub(super) fn make(folder: Option<&Path>, cache: &Cache, means: &Means) -> Result<Self, Error> {
        let failed = |source| Error::Work { source };
        let holder = match folder {
            Some(folder) => {
                fs_err::create_dir_all(folder).map_err(failed)?;
                Some(tempfile::Builder::new().prefix("rowi-").tempdir_in(folder).map_err(failed)?)
            }
            None => None,
        };
        let path = holder.as_ref().map_or_else(|| cache.work().join("build"), |holder| holder.path().to_owned());
        if holder.is_none() {
            fs_err::create_dir(&path).map_err(failed)?;
        }
        let handle = fs_err::File::open(&path).map_err(failed)?;
        let work = Self { path, handle, means: means.clone(), _holder: holder };
        for below in [PACKAGES, INPUTS, INITRDS] {
            fs_err::create_dir(work.path.join(below)).map_err(failed)?;
        }
        Ok(work)
    }

    /// Where the user's files go.
    pub(super) fn inputs(&self) -> PathBuf {
        self.path.join(INPUTS)
    }

    /// Puts package files and finished initrds in.
    fn take(&self, packages: &[PathBuf], initrds: &Initrds) -> io::Result<()> {
        for (at, file) in packages.iter().enumerate() {
            lend(file, &self.path.join(PACKAGES).join(at.to_string()))?;
        }
        for (name, file) in initrds.found() {
            lend(file, &self.path.join(INITRDS).join(name))?;
        }
        Ok(())
    }

    /// The inner half's root may pass the folders that are ours, and read what is in them.
    fn open_up(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for below in [PACKAGES, INPUTS, INITRDS] {
            fs_err::set_permissions(self.path.join(below), PermissionsExt::from_mode(0o755))?;
        }
        Ok(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // What stays is found unlocked by the next command's sweep.
        if sandbox::empty(&self.means, self.handle.as_fd()).is_ok() {
            let _ = fs_err::remove_dir(&self.path);
        }
    }
}

/// A file of the cache at another place: a link where that is possible.
fn lend(file: &Path, to: &Path) -> io::Result<()> {
    fs_err::hard_link(file, to).or_else(|_| fs_err::copy(file, to).map(drop))
}

/// Removes the work folders of builds that were killed; the sandbox is asked only where files of mapped users lie.
pub fn sweep(cache: &Cache) {
    let empty = |path: &Path| {
        let means = sandbox::probe().map_err(io::Error::other)?;
        for entry in fs_err::read_dir(path)? {
            let folder = fs_err::File::open(entry?.path())?;
            sandbox::empty(&means, folder.as_fd()).map_err(io::Error::other)?;
        }
        Ok(())
    };
    let _ = cache.sweep(empty);
}

/// Runs the inner half.
pub(super) fn run(
    job: &Job,
    files: &[PathBuf],
    results: &Files,
    initrds: &Initrds,
    work: &Work,
    means: &Means,
    report: &Report,
) -> Result<Made, Error> {
    let failed = |source| Error::Work { source };
    work.take(files, initrds).map_err(failed)?;
    work.open_up().map_err(failed)?;
    sandbox::give(means, work.handle.as_fd())?;
    let job = in_memory(job).map_err(failed)?;
    let mut kept: Vec<BorrowedFd<'_>> = vec![job.as_fd(), initrds.file()];
    kept.extend(results.descriptors());
    let mut end = None;
    let heard = |line: &str| match serde_json::from_str(line) {
        Ok(Line::Event { event }) => report.emit(event),
        Ok(line) => end = Some(line),
        Err(_) => {}
    };
    let finished = sandbox::run_inside(means, work.handle.as_fd(), &[BUILD], &kept, heard)?;
    match end {
        Some(Line::Done { made }) if finished.code == 0 => Ok(made),
        Some(Line::Failed { exit, diagnostics }) => Err(Error::Inside { exit, diagnostics }),
        _ => Err(Error::Inside { exit: Exit::Build, diagnostics: vec![ended(&finished)] }),
    }
}

fn ended(finished: &sandbox::Finished) -> crate::report::Diagnostic {
    let said = String::from_utf8_lossy(&finished.stderr);
    crate::report::Diagnostic {
        message: format!("the inner half of the build ended with code {}", finished.code),
        place: None,
        because: said.lines().rev().take(5).collect::<Vec<_>>().into_iter().rev().map(Into::into).collect(),
        hints: Vec::new(),
    }
}

/// A job as a file in memory.
fn in_memory(job: &Job) -> io::Result<std::fs::File> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("job", rustix::fs::MemfdFlags::CLOEXEC)?);
    serde_json::to_writer(&mut file, job)?;
    file.flush()?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}
