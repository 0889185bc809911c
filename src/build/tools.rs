//! The tool root: which of this machine's own builds of the root's programs stand in for the root's, where that is for
//! another machine. They are packages like all others, chosen, locked, fetched and checked; nothing of them is in the
//! image, which is the same without them, only ten times as late.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{Error, Options, access, choose};
use crate::{
    cache::Cache,
    lock::{self, Lock},
    profile::{self, Arch, Distribution, Loaded, Native, Place, Request},
    repo,
    report::Report,
    root::{self, Runner},
    rpm::files::FileKind,
    sandbox,
    solve::{self, Resolution, Wish},
    tree::RelPath,
    units::Epoch,
};

/// The tool root's packages.
#[derive(Clone, Debug)]
pub struct Tools {
    /// What is in it.
    pub resolution: Resolution,
    /// Where that comes from.
    distribution: Distribution,
}

/// The tool root as the inner half makes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ToolRoot {
    /// Which of the package files are there for their programs, by number; the others for their libraries.
    pub(super) packages: Vec<bool>,
    /// What else the distribution says of it.
    pub(super) native: Native,
}

/// What stands in for programs of these packages on this machine; nothing where that runs them itself, or has no
/// builds of them.
///
/// # Errors
/// `--locked`, and the lock cannot be read.
pub fn tools(
    loaded: &Loaded,
    chosen: &Resolution,
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Option<Tools>, Error> {
    let host = Arch::host();
    if loaded.profile.arch == host || !sandbox::native::is_known() {
        return Ok(None);
    }
    let Some(distribution) = profile::distribution_for(&options.choice, host) else { return Ok(None) };
    if distribution.native.packages.is_empty() {
        return Ok(None);
    }
    let distribution = choose::checked(loaded.mirrored(distribution), options);
    let resolution = if options.locked {
        let path = super::lock_path(&options.choice.profile, &loaded.profile.name);
        let lock = Lock::read(&path)?;
        lock.sections.get(&lock::section(&loaded.profile)).and_then(|section| section.to_tools(host))
    } else {
        match solved(loaded, chosen, &distribution, options, cache, report) {
            Ok(resolution) => resolution,
            Err(error) => {
                report.note(format!("{host} packages for the tools: {error}"));
                None
            }
        }
    };
    if resolution.is_none() {
        report.warn(format!(
            "every program of the root is emulated, which takes ten times as long: no package of `native` is there for {host} in the same version"
        ));
    }
    Ok(resolution.map(|resolution| Tools { resolution, distribution }))
}

/// Of the distribution's list those that the root has in a version that there is for this machine, too.
fn solved(
    loaded: &Loaded,
    chosen: &Resolution,
    distribution: &Distribution,
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Option<Resolution>, Error> {
    let access = access(cache, loaded, options, report);
    let mut packages = repo::load(distribution, &access)?;
    let listed = chosen.packages.iter().filter(|package| distribution.native.packages.contains(&package.name));
    let same = listed.filter_map(|package| {
        let evr = packages.versions(&package.name).find(|evr| source(evr) == source(&package.evr))?;
        Some(Request { what: format!("{} = {evr}", package.name), role: None, place: Place::default() })
    });
    let install: Vec<Request> = same.collect();
    if install.is_empty() {
        return Ok(None);
    }
    let wish = Wish {
        arch: Arch::host(),
        install,
        forbid: Vec::new(),
        recommends: false,
        languages: Vec::new(),
        locked: Vec::new(),
    };
    let more = |packages: &mut repo::Packages, paths: &[&str]| repo::complete(packages, paths, distribution, &access);
    Ok(Some(solve::solve(&wish, &mut packages, more)?))
}

impl ToolRoot {
    /// Unpacks the packages, whose files are named by their numbers in `from`. A program of a package that is there for
    /// its libraries would do its work for the wrong machine, and goes.
    pub(super) fn unpack(
        &self,
        from: &Path,
        to: &Path,
        staging: &Path,
        runner: &mut dyn Runner,
        epoch: Epoch,
    ) -> Result<(), root::Error> {
        let files: Vec<_> = (0..self.packages.len()).map(|at| from.join(at.to_string())).collect();
        let settings = root::Settings { epoch, no_scriptlets: true, ..Default::default() };
        root::assemble(&files, &settings, to, staging, runner, &Report::default())?;
        let folders: Vec<RelPath> = self.native.libraries.iter().filter_map(|it| RelPath::new(it).ok()).collect();
        let is_library = |path: &RelPath| folders.iter().any(|folder| path.starts_with(folder));
        for (file, _) in files.iter().zip(&self.packages).filter(|(_, has_programs)| !**has_programs) {
            let programs = root::Package::open(file)?.files;
            let programs = programs.iter().filter(|file| file.kind == FileKind::Regular && file.mode & 0o111 != 0);
            for program in programs.filter(|file| !is_library(&file.path)) {
                let gone = fs_err::remove_file(program.path.below(to));
                gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
                    .map_err(|source| root::Error::io("leave a program out of the tool root", source))?;
            }
        }
        Ok(())
    }
}

/// A version without the count of builds at its end, which each architecture has for itself: `5.2-3.7` of openSUSE's
/// build service, `5.2-3+b7` of Debian's (deb-version(7), "binary-only non-maintainer uploads").
fn source(evr: &str) -> &str {
    let release = evr.rfind('-').map_or(evr.len(), |at| at + 1);
    let of_build = |mark| {
        let at = evr[release..].rfind(mark)? + release;
        let count = evr[at..].trim_start_matches(mark);
        (!count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit())).then_some(&evr[..at])
    };
    of_build("+b").or_else(|| of_build(".")).unwrap_or(evr)
}

impl Tools {
    /// Fetches the packages where the metadata names them by other sums than SHA-256.
    ///
    /// # Errors
    /// One cannot be had or is not what was announced.
    pub fn pin(&mut self, loaded: &Loaded, options: &Options, cache: &Cache, report: &Report) -> Result<(), Error> {
        if self.resolution.to_plan().is_err() {
            let access = access(cache, loaded, options, report);
            let fetched = repo::fetch(&self.resolution, &self.distribution, &access)?;
            self.resolution.pin(&fetched);
        }
        Ok(())
    }

    /// Brings the packages into the cache.
    ///
    /// # Errors
    /// One cannot be had or is not what was announced.
    pub(super) fn fetch(
        &self,
        loaded: &Loaded,
        options: &Options,
        cache: &Cache,
        report: &Report,
    ) -> Result<(ToolRoot, Vec<PathBuf>), Error> {
        let access = access(cache, loaded, options, report);
        let fetched = repo::fetch(&self.resolution, &self.distribution, &access)?;
        let files: Vec<PathBuf> = fetched.into_iter().map(|fetched| fetched.path).collect();
        let native = self.distribution.native.clone();
        let packages = self.resolution.packages.iter().map(|package| native.packages.contains(&package.name));
        Ok((ToolRoot { packages: packages.collect(), native }, files))
    }
}

#[cfg(test)]
mod tests {
    use super::source;

    #[test]
    fn architectures_count_their_builds_for_themselves() {
        for (evr, expected) in [
            ("1:5.2.37-2+b10", "1:5.2.37-2"),
            ("5.2.37-2.3", "5.2.37-2"),
            ("4.9-2+deb13u1", "4.9-2+deb13u1"),
            ("9.7-3", "9.7-3"),
            ("1.5.7+dfsg-1", "1.5.7+dfsg-1"),
            ("1.2", "1.2"),
        ] {
            assert_eq!(source(evr), expected);
        }
    }
}
