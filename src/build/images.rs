//! Which container images: those that the profile names, as the lock pins them with `--locked`.

use std::collections::BTreeMap;

use super::{Error, Options, Secrets, lock_path};
use crate::{
    cache::Cache,
    lock::{self, Lock},
    oci,
    profile::{Loaded, Secret},
    report::Report,
};

/// Brings the container images of a profile into the cache.
///
/// # Errors
/// All images that cannot be had, are not what they should be, or are not in the lock.
pub fn images(
    loaded: &Loaded,
    secrets: &Secrets,
    options: &Options,
    cache: &Cache,
    report: &Report,
) -> Result<Vec<oci::Image>, Error> {
    let profile = &loaded.profile;
    if profile.preload.is_empty() {
        return Ok(Vec::new());
    }
    let mut pins = BTreeMap::new();
    if options.locked {
        let path = lock_path(&options.choice.profile, &profile.name);
        let lock = Lock::read(&path)?;
        let section = lock.sections.get(&lock::section(profile));
        let references: Vec<&str> = profile.preload.iter().map(|preload| preload.what.as_str()).collect();
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
    Ok(oci::take(&profile.preload, profile.arch, &pins, &access)?)
}
