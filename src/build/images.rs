//! Which container images: those that the profile names and those that kubeadm does, as the lock pins them with
//! `--locked`.

use std::collections::BTreeMap;

use super::{Chosen, Error, Options, Secrets, ask, lock_path, packages};
use crate::{
    cache::Cache,
    lock::{self, Lock},
    oci,
    profile::{Loaded, Preload, Secret},
    report::Report,
};

/// Brings container images of a profile into the cache.
///
/// # Errors
/// All images that cannot be had, are not what they should be, or are not in the lock.
pub fn images(
    wanted: &[Preload],
    loaded: &Loaded,
    secrets: &Secrets,
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Vec<oci::Image>, Error> {
    let profile = &loaded.profile;
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut pins = BTreeMap::new();
    if options.locked {
        let path = lock_path(&options.choice.profile, &profile.name);
        let lock = Lock::read(&path)?;
        let section = lock.sections.get(&lock::section(profile));
        let references: Vec<&str> = wanted.iter().map(|preload| preload.what.as_str()).collect();
        pins = section.map(|section| section.pinned_images(&path, &references)).transpose()?.unwrap_or_default();
    }
    report.stage("images");
    let registries = &profile.machine.container.registries;
    let login = |secret: &Secret| match secret {
        Secret::Named(name) => secrets.get(name).cloned(),
        Secret::Literal(login) => Some(login.clone()),
    };
    let logins = registries.credentials.iter();
    let logins = logins.filter_map(|(registry, secret)| Some((registry.to_string(), login(secret)?))).collect();
    let access = oci::Access { cache, report, offline: options.offline, registries, logins: &logins };
    Ok(oci::take(wanted, profile.arch, &pins, &access)?)
}

/// The images of the control plane, where the profile asks for them. Of the chosen packages kubeadm is one, and has to
/// be asked: they are fetched.
///
/// # Errors
/// As [`packages`] and [`images`], or kubeadm does not answer.
pub fn control_plane(
    chosen: &Chosen,
    loaded: &Loaded,
    secrets: &Secrets,
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Vec<oci::Image>, Error> {
    if loaded.profile.control_plane.is_none() {
        return Ok(Vec::new());
    }
    report.stage("fetch");
    let files = packages(chosen.clone(), loaded, options, cache, report)?.files;
    let asked = ask::control_plane(loaded, &files, options, cache, report)?;
    images(&asked, loaded, secrets, options, cache, report)
}
