//! `lock`: the packages that a build would take now are written down, by digest.

use std::process::ExitCode;

use super::{
    Global, Outcome, Screen, cache,
    options::{ChoiceArgs, SourceArgs},
    out,
};
use crate::{
    build,
    lock::{self, Lock, Section},
    report::printable,
};

/// Pin the packages of a profile in its lock file
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    source: SourceArgs,
}

/// Chooses anew, fetches what has no SHA-256 in its metadata (all of it where kubeadm has to be asked), and shows what
/// changed.
pub(super) fn run(args: &Args, global: &Global, screen: &Screen) -> Outcome {
    let options = args.choice.options(&args.source, global)?;
    let report = screen.report();
    let (loaded, secrets) = build::load(&options, &report)?;
    let cache = cache::open(global)?;
    let mut chosen = build::choose(&loaded, &options, &cache, &report)?;
    chosen.pin(&loaded, &options, &cache, &report)?;
    let path = build::lock_path(&options.choice.profile, &loaded.profile.name);
    let mut lock = Lock::read(&path)?;
    let mut section = Section::of(&chosen.wish, &chosen.resolution)?;
    let tools = build::tools(&loaded, &chosen.resolution, &options, &cache, &report)?;
    if let Some(mut tools) = tools {
        tools.pin(&loaded, &options, &cache, &report)?;
        section = section.with_tools(&tools.resolution)?;
    }
    let mut images = build::images(&loaded.profile.preload, &loaded, &secrets, &options, &cache, &report)?;
    images.extend(build::control_plane(&chosen, &loaded, &secrets, &options, &cache, &report)?);
    section = section.with_images(images.into_iter().map(|image| (image.what, image.manifest)));
    let name = lock::section(&loaded.profile);
    let changes = lock.sections.get(&name).map(|old| old.changes(&section));
    let packages = section.packages.len();
    lock.sections.insert(name.clone(), section);
    lock.write(&path)?;
    screen.clear();
    for change in changes.iter().flatten() {
        out(&format!("{}\n", printable(&change.to_string())))?;
    }
    out(&format!("{}: {packages} packages for {name}\n", path.display()))?;
    Ok(ExitCode::SUCCESS)
}
