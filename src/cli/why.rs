//! `why`: the way from a line of the profile to a package.

use std::process::ExitCode;

use super::{
    Failure, Global, Outcome, Screen, cache,
    options::{ChoiceArgs, LockedArgs, SourceArgs},
    out,
};
use crate::{
    build,
    report::printable,
    solve::{Chosen, Resolution},
};

/// Say what pulled a package in
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The package
    #[arg(value_name = "PACKAGE")]
    name: String,
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    locked: LockedArgs,
}

pub(super) fn run(args: &Args, global: &Global, screen: &Screen) -> Outcome {
    let options = build::Options { locked: args.locked.locked, ..args.choice.options(&args.source, global)? };
    let report = screen.report();
    let (loaded, _) = build::load(&options, &report)?;
    let cache = cache::open(global)?;
    let chosen = build::choose(&loaded, &options, &cache, &report)?;
    screen.clear();
    out(&way(&chosen.resolution, &args.name)?)?;
    Ok(ExitCode::SUCCESS)
}

fn way(resolution: &Resolution, name: &str) -> Result<String, Failure> {
    let way = resolution.why(name);
    if way.is_empty() {
        return Err(absent(resolution, name));
    }
    Ok(way.iter().map(|package| printable(&step(package)) + "\n").collect())
}

fn step(package: &Chosen) -> String {
    let Chosen { name, evr, .. } = package;
    match (&package.reason, package.asked.as_slice()) {
        (_, asked @ [_, ..]) => {
            let places: Vec<String> = asked.iter().map(ToString::to_string).collect();
            format!("{name} {evr}: asked for by {}", places.join(", "))
        }
        (Some(reason), []) => format!("{name} {evr}: {} {} `{}`", reason.package, reason.how, reason.dependency),
        (None, []) => format!("{name} {evr}: the lock does not say why"),
    }
}

/// No such package; a similar name may have been meant.
fn absent(resolution: &Resolution, name: &str) -> Failure {
    let failure = Failure::usage(format!("package `{name}` is not in the image"));
    let similar = resolution.packages.iter().map(|package| &package.name).filter(|other| other.contains(name));
    let similar: Vec<String> = similar.take(5).map(|name| format!("`{name}`")).collect();
    if similar.is_empty() { failure } else { failure.hint(format!("these are: {}", similar.join(", "))) }
}
