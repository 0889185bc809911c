//! `.deb` files to a repository, on all cores, doing only what is not done yet.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::control::Control;
use crate::error::{Error, Result};
use crate::repo::Repo;
use crate::rewrap::{self, ControlArchive, Rewrapped};
use crate::sign::Signer;
use crate::spec::Spec;
use crate::tree::Tree;
use crate::{essential, release, rpmbuild, tool};

/// A `.deb` with what decides over its RPM.
#[derive(Debug)]
struct Input {
    deb: PathBuf,
    sha256: String,
    archive: ControlArchive,
    control: Control,
}

/// One package to make.
enum Task<'a> {
    Deb { input: &'a Input, is_essential: bool },
    Release,
    Essential(&'a Spec),
}

/// Makes or completes the repository in a folder.
pub(crate) fn repository(debs: &[PathBuf], folder: &Path) -> Result<()> {
    let inputs = inputs(debs)?;
    let by_name: BTreeMap<_, _> = inputs.iter().map(|input| named(&input.control)).collect::<Result<_>>()?;
    let set = essential::closure(&by_name)?;
    let essential = essential::spec(&by_name, &set)?;
    let mut tasks = vec![Task::Release, Task::Essential(&essential)];
    for input in &inputs {
        let is_essential = set.contains(input.control.need("Package")?);
        tasks.push(Task::Deb { input, is_essential });
    }

    let repo = Repo::open(folder)?;
    let signer = Signer::new()?;
    let made = AtomicUsize::new(0);
    let names = in_parallel(&tasks, |task| {
        let (file_name, is_new) = finish(task, &repo, &signer)?;
        if is_new {
            eprintln!("[{}/{}] {file_name}", made.fetch_add(1, Ordering::Relaxed) + 1, tasks.len());
        }
        Ok(file_name)
    })?;
    let names: BTreeSet<_> = names.into_iter().collect();
    repo.retain(&names)?;
    let is_new = repo.finish(&names, &signer)?;
    eprintln!("{} packages, {}", names.len(), if is_new { "metadata written" } else { "nothing changed" });
    Ok(())
}

fn named(control: &Control) -> Result<(String, Control)> {
    Ok((control.need("Package")?.to_owned(), control.clone()))
}

fn inputs(debs: &[PathBuf]) -> Result<Vec<Input>> {
    let sums = tool::output(tool::command("sha256sum").arg("--").args(debs))?;
    let sums = String::from_utf8_lossy(&sums);
    // A line starts with a backslash if the name has letters to escape.
    let sums: Vec<_> = sums.lines().filter_map(|line| line.trim_start_matches('\\').split(' ').next()).collect();
    let pairs: Vec<_> = debs.iter().zip(sums).collect();
    in_parallel(&pairs, |(deb, sha256)| {
        let archive = ControlArchive::open(deb)?;
        let control = archive.control()?;
        Ok(Input { deb: (*deb).clone(), sha256: (*sha256).to_owned(), archive, control })
    })
}

/// Makes a package unless it is there; returns its file's name and whether it is new.
fn finish(task: &Task<'_>, repo: &Repo, signer: &Signer) -> Result<(String, bool)> {
    let (file_name, key) = match task {
        Task::Deb { input, is_essential } => {
            let role = if *is_essential { "essential" } else { "other" };
            (Spec::from_control(&input.control)?.file_name(), format!("{} {role}", input.sha256))
        }
        Task::Essential(spec) => (spec.file_name(), spec.render(std::iter::empty())?),
        Task::Release => (release::spec().file_name(), release::contents()),
    };
    if repo.is_current(&file_name, &key) {
        return Ok((file_name, false));
    }
    let work = tempfile::Builder::new().prefix("debian-rpm").tempdir()?;
    let root = work.path().join("root");
    fs_err::create_dir(&root)?;
    let package = make(task, &root).map_err(|source| wrong(&file_name, source))?;
    let rpm = rpmbuild::build(&package.spec, &package.tree, package.epoch, work.path(), signer);
    repo.put(&rpm.map_err(|source| wrong(&file_name, source))?, &file_name, &key, package.epoch)?;
    Ok((file_name, true))
}

fn make(task: &Task<'_>, root: &Path) -> Result<Rewrapped> {
    match task {
        Task::Deb { input, is_essential } => rewrap::rewrap(&input.deb, &input.archive, *is_essential, root),
        Task::Essential(spec) => Ok(Rewrapped { spec: (*spec).clone(), tree: Tree::new(root), epoch: release::EPOCH }),
        Task::Release => release::make(root),
    }
}

fn wrong(package: &str, source: Error) -> Error {
    Error::Rewrap { package: package.to_owned(), source: Box::new(source) }
}

/// Runs `work` for each item on all cores; the results are in the items' order, and the first error ends it.
fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let run = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return };
            let result = work(item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            results.lock().expect("no thread panics while it inserts").insert(at, result);
        }
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(run))));
    results.into_inner().expect("all threads have ended").into_values().collect()
}
