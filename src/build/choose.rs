//! Which packages: from the repositories through the solver, or from the lock.

use std::path::{Path, PathBuf};

use super::{
    Error, Options, access, room,
    tools::{ToolRoot, tools},
};
use crate::{
    cache::Cache,
    lock::{self, Lock},
    plan,
    profile::{Distribution, Loaded, Verify},
    repo::{self, Fetched},
    report::Report,
    solve::{self, Resolution, Wish},
    units::Epoch,
};

/// What was chosen, and for which wish.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// What was asked.
    pub wish: Wish,
    /// What is installed.
    pub resolution: Resolution,
    /// The distribution, with less to verify if that was asked for.
    pub distribution: Distribution,
}

/// The chosen packages as the plan has them.
#[derive(Clone, Debug)]
pub struct Packages {
    /// Sorted by name, version and architecture.
    pub list: Vec<plan::Package>,
    /// The newest build time.
    pub epoch: Epoch,
    /// Their files, in the same order.
    pub files: Vec<PathBuf>,
    /// Files with the keys that signed them.
    pub keys: Vec<Vec<u8>>,
    /// The tool root and its packages' files.
    pub(super) tools: Option<(ToolRoot, Vec<PathBuf>)>,
}

/// Chooses packages: those of the lock with `--locked`, else the solver's.
///
/// # Errors
/// Repositories cannot be read, the packages cannot be had together, or the lock does not fit.
pub fn choose(loaded: &Loaded, options: &Options, cache: &Cache, report: &Report) -> Result<Chosen, Error> {
    let wish = Wish::of(&loaded.profile);
    let distribution = distribution(loaded, options, report);
    if options.locked {
        let path = lock_path(&options.choice.profile, &loaded.profile.name);
        let lock = Lock::read(&path)?;
        let section = lock.locked(&path, &lock::section(&loaded.profile), &wish)?;
        return Ok(Chosen { resolution: section.to_resolution(), wish, distribution });
    }
    report.stage("solve");
    let access = access(cache, loaded, options, report);
    let mut packages = repo::load(&distribution, &access)?;
    let more = |packages: &mut repo::Packages, paths: &[&str]| repo::complete(packages, paths, &distribution, &access);
    let resolution = solve::solve(&wish, &mut packages, more)?;
    Ok(Chosen { wish, resolution, distribution })
}

impl Chosen {
    /// The packages as the plan has them. Fetches them only where the metadata names them by other sums than SHA-256.
    ///
    /// # Errors
    /// A package cannot be had or is not what was announced.
    pub fn pin(
        &mut self,
        loaded: &Loaded,
        options: &Options,
        cache: &Cache,
        report: &Report,
    ) -> Result<Vec<plan::Package>, Error> {
        if self.resolution.to_plan().is_err() {
            let fetched = repo::fetch(&self.resolution, &self.distribution, &access(cache, loaded, options, report))?;
            self.resolution.pin(&fetched);
        }
        self.to_plan()
    }

    fn to_plan(&self) -> Result<Vec<plan::Package>, Error> {
        self.resolution.to_plan().map_err(|name| Error::Unpinned(name.to_owned()))
    }
}

/// Brings the chosen packages into the cache.
///
/// # Errors
/// A package cannot be had or is not what was announced.
pub fn packages(
    mut chosen: Chosen,
    loaded: &Loaded,
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Packages, Error> {
    let access = access(cache, loaded, options, report);
    let fetched: Vec<Fetched> = repo::fetch(&chosen.resolution, &chosen.distribution, &access)?;
    chosen.resolution.pin(&fetched);
    let list = chosen.to_plan()?;
    let files = fetched.into_iter().map(|fetched| fetched.path).collect();
    let keys = repo::trusted_keys(&chosen.distribution, &access);
    Ok(Packages { list, epoch: chosen.resolution.epoch(), files, keys, tools: None })
}

/// Chooses packages and brings them into the cache: once more where a repository changed between the two.
///
/// # Errors
/// As [`choose`] and [`packages`], or there is no room.
pub(super) fn fetched(loaded: &Loaded, options: &Options, cache: &Cache, report: &Report) -> Result<Packages, Error> {
    let attempt = || {
        let chosen = choose(loaded, options, cache, report)?;
        report.stage("fetch");
        room::check(&chosen, &loaded.profile, cache, options, report)?;
        let tools = tools(loaded, &chosen.resolution, options, cache, report)?;
        let tools = tools.map(|tools| tools.fetch(loaded, options, cache, report)).transpose()?;
        Ok(Packages { tools, ..packages(chosen, loaded, options, cache, report)? })
    };
    match attempt() {
        Err(Error::Repo(error)) if error.may_pass() && !options.locked && !options.offline => {
            report.note(format!("{error}: the repository is asked again, it may have changed meanwhile"));
            attempt()
        }
        done => done,
    }
}

/// The lock of a profile: beside its file, or `NAME.lock` in the working directory for one that has no path.
pub fn lock_path(asked: &str, name: &str) -> PathBuf {
    if asked.contains('/') || asked.ends_with(".yaml") {
        return Path::new(asked).with_extension("lock");
    }
    PathBuf::from(format!("{name}.lock"))
}

/// With `--no-signatures` every repository is taken at its checksums, and that is said.
fn distribution(loaded: &Loaded, options: &Options, report: &Report) -> Distribution {
    if options.no_signatures {
        report.warn("signatures are not looked at (`--no-signatures`): whoever serves the packages decides what is in the image");
    }
    checked(loaded.fetched_from(), options)
}

/// A distribution of which as much is verified as the options have it.
pub(super) fn checked(mut distribution: Distribution, options: &Options) -> Distribution {
    if options.no_signatures {
        distribution.repositories.iter_mut().for_each(|repository| repository.verify = Verify::Checksums);
    }
    distribution
}
