//! The outer half: a work folder with everything that the inner half needs, and the conversation with it.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{
    Error, Options,
    ask::ASK,
    initrds::Initrds,
    inside::BUILD,
    job::{IMAGES, INITRDS, INPUTS, Job, Line, Made, PACKAGES, TOOL_PACKAGES},
};
use crate::{
    cache::{Cache, Digest},
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

/// Folders of the work folder that are ours.
const FOLDERS: [&str; 5] = [PACKAGES, TOOL_PACKAGES, IMAGES, INPUTS, INITRDS];

/// A work folder of this build; emptied and removed when it goes, unless it is to be kept for a person.
pub(super) struct Work {
    path: PathBuf,
    handle: fs_err::File,
    means: Means,
    keep: bool,
    /// Removes the folder itself.
    _holder: Option<tempfile::TempDir>,
}

impl Work {
    /// The folder that keeps what failed; else below the chosen work folder, else in the cache's own.
    pub(super) fn make(options: &Options, cache: &Cache, means: &Means) -> Result<Self, Error> {
        let failed = |source| Error::Work { source };
        if let Some(folder) = &options.keep_failed {
            fs_err::create_dir_all(folder).map_err(failed)?;
            if fs_err::read_dir(folder).map_err(failed)?.next().is_some() {
                return Err(Error::NotEmpty { folder: folder.clone() });
            }
            return Self::open(folder.clone(), means, None);
        }
        let holder = match &options.work {
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
        Self::open(path, means, holder)
    }

    fn open(path: PathBuf, means: &Means, holder: Option<tempfile::TempDir>) -> Result<Self, Error> {
        let failed = |source| Error::Work { source };
        let handle = fs_err::File::open(&path).map_err(failed)?;
        let work = Self { path, handle, means: means.clone(), keep: false, _holder: holder };
        for below in FOLDERS {
            fs_err::create_dir(work.path.join(below)).map_err(failed)?;
        }
        Ok(work)
    }

    /// It stays where it is.
    pub(super) fn keep(&mut self) {
        self.keep = true;
    }

    /// Where the user's files go.
    pub(super) fn inputs(&self) -> PathBuf {
        self.path.join(INPUTS)
    }

    /// Puts package files, blobs of container images and finished initrds in.
    fn take(&self, ready: &Ready) -> io::Result<()> {
        for (folder, files) in [(PACKAGES, &ready.files), (TOOL_PACKAGES, &ready.tool_files)] {
            for (at, file) in files.iter().enumerate() {
                lend(file, &self.path.join(folder).join(at.to_string()))?;
            }
        }
        for (digest, file) in &ready.blobs {
            lend(file, &self.path.join(IMAGES).join(digest.to_string()))?;
        }
        for (name, file) in ready.initrds.found() {
            lend(file, &self.path.join(INITRDS).join(name))?;
        }
        Ok(())
    }

    /// Asks the inner half; `packages` are those of the question, in its order.
    pub(super) fn ask(&self, question: &impl Serialize, packages: &[&Path], report: &Report) -> Result<String, Error> {
        let failed = |source| Error::Work { source };
        for (at, file) in packages.iter().enumerate() {
            lend(file, &self.path.join(PACKAGES).join(at.to_string())).map_err(failed)?;
        }
        self.open_up().map_err(failed)?;
        sandbox::give(&self.means, self.handle.as_fd())?;
        let question = in_memory(question).map_err(failed)?;
        let said = |end| if let Line::Said { said } = end { Some(said) } else { None };
        talk(&self.means, self.handle.as_fd(), &[ASK], &[question.as_fd()], said, report)
    }

    /// The inner half's root may pass the folders that are ours, and read what is in them.
    fn open_up(&self) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for below in FOLDERS {
            fs_err::set_permissions(self.path.join(below), PermissionsExt::from_mode(0o755))?;
        }
        Ok(())
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
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

/// What is ready for the inner half.
pub(super) struct Ready {
    pub(super) job: Job,
    /// Package files in the plan's order.
    pub(super) files: Vec<PathBuf>,
    /// Package files of the tool root.
    pub(super) tool_files: Vec<PathBuf>,
    /// Blobs of container images.
    pub(super) blobs: BTreeMap<Digest, PathBuf>,
    pub(super) initrds: Initrds,
    pub(super) work: Work,
    pub(super) terminal: Option<Arc<OwnedFd>>,
    /// Goes last: the work folder lies in the cache's own, and only the sandbox can empty it.
    pub(super) cache: Cache,
}

/// Runs the inner half of a build, with open files for the results.
pub(super) fn run(ready: &Ready, results: &[BorrowedFd<'_>], report: &Report) -> Result<Made, Error> {
    let Ready { job, initrds, work, terminal, .. } = ready;
    let failed = |source| Error::Work { source };
    work.take(ready).map_err(failed)?;
    work.open_up().map_err(failed)?;
    sandbox::give(&work.means, work.handle.as_fd())?;
    let job = in_memory(job).map_err(failed)?;
    let mut kept: Vec<BorrowedFd<'_>> = vec![job.as_fd()];
    kept.extend(terminal.iter().map(|terminal| terminal.as_fd()));
    kept.push(initrds.file());
    kept.extend(results);
    let made = |end| if let Line::Done { made } = end { Some(made) } else { None };
    talk(&work.means, work.handle.as_fd(), &[BUILD], &kept, made, report)
}

/// Hears what an inner half says, to its end, of which `take` knows the kind.
pub(super) fn talk<T>(
    means: &Means,
    folder: BorrowedFd<'_>,
    args: &[&str],
    kept: &[BorrowedFd<'_>],
    take: impl Fn(Line) -> Option<T>,
    report: &Report,
) -> Result<T, Error> {
    let mut end = None;
    let heard = |line: &str| match serde_json::from_str(line) {
        Ok(Line::Event { event }) => report.emit(event),
        Ok(line) => end = Some(line),
        Err(_) => {}
    };
    let finished = sandbox::run_inside(means, folder, args, kept, heard)?;
    if let Some(Line::Failed { exit, diagnostics }) = end {
        return Err(Error::Inside { exit, diagnostics });
    }
    let taken = end.filter(|_| finished.code == 0).and_then(take);
    taken.ok_or_else(|| Error::Inside { exit: Exit::Build, diagnostics: vec![ended(&finished)] })
}

fn ended(finished: &sandbox::Finished) -> crate::report::Diagnostic {
    let said = String::from_utf8_lossy(&finished.stderr);
    crate::report::Diagnostic {
        message: format!("the inner half of the build ended with code {}", finished.code),
        place: None,
        because: last_lines(&said),
        hints: Vec::new(),
    }
}

/// What a program said at its end.
pub(super) fn last_lines(said: &str) -> Vec<String> {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(5)..].iter().map(|line| (*line).to_owned()).collect()
}

/// A job, or a question, as a file in memory.
fn in_memory(job: &impl Serialize) -> io::Result<std::fs::File> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("job", rustix::fs::MemfdFlags::CLOEXEC)?);
    serde_json::to_writer(&mut file, job)?;
    file.flush()?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}
