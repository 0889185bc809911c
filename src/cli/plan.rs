//! `plan`: what `build` would do, and who said so.

use std::process::ExitCode;

use super::{
    Failure, Global, Outcome, Screen, cache,
    options::{ChoiceArgs, SourceArgs},
    out,
};
use crate::{
    build, inputs,
    plan::{self, Plan},
    profile::{self, Loaded},
    report::printable,
    units::Bytes,
};

/// Show what `build` would do
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Print the whole plan as JSON
    #[arg(long, conflicts_with = "explain")]
    json: bool,
    /// Say only where a value comes from: the file and line that set it, and those that it replaced
    #[arg(long, value_name = "KEY")]
    explain: Option<String>,
}

pub(super) fn run(args: &Args, global: &Global, screen: &Screen) -> Outcome {
    let options = args.choice.options(&args.source, global)?;
    let report = screen.report();
    let loaded = profile::load(&options.choice)?;
    if let Some(key) = &args.explain {
        return explain(&loaded, key);
    }
    loaded.warnings.iter().for_each(|warning| report.warn(warning));
    let cache = cache::open(global)?;
    let chosen = build::choose(&loaded, &options, &cache, &report)?;
    let packages = build::packages(chosen, &loaded, &options, &cache, &report)?;
    let inputs = inputs::resolve(&loaded.profile, cache.work())?;
    let how = plan::Options { epoch: options.epoch.unwrap_or(packages.epoch), strict_scriptlets: false };
    let plan = plan::plan(&loaded.profile, packages.list, &inputs, how);
    screen.clear();
    out(&if args.json { json(&plan)? } else { people(&plan, &loaded) })?;
    Ok(ExitCode::SUCCESS)
}

fn explain(_loaded: &Loaded, key: &str) -> Outcome {
    Err(Failure::usage(format!("no value `{key}`")))
}

fn json(plan: &Plan) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(plan).map_err(|fault| Failure::host(fault.to_string()))?;
    Ok(text + "\n")
}

/// The head, the packages, the disk, and every value that somebody set.
fn people(plan: &Plan, loaded: &Loaded) -> String {
    let size: u64 = plan.packages.iter().map(|package| package.size.get()).sum();
    let mut text = format!(
        "{} for {}/{} from {}\nepoch {}, seed {}\n\n{} packages, {}\n",
        plan.profile,
        plan.platform,
        plan.arch,
        plan.distribution,
        plan.epoch.timestamp(),
        plan.seed.0.get(..16).unwrap_or_default(),
        plan.packages.len(),
        Bytes(size)
    );
    for package in &plan.packages {
        text += &format!("  {}-{}.{} ({})\n", package.name, package.evr, package.arch, package.repository);
    }
    text += &format!("\n{} files of the user's, {} scripts\n", plan.files.len(), plan.scripts.len());
    text += "\nsubvolumes: ";
    let subvolumes: Vec<_> = plan.layout.subvolumes.iter().map(|subvolume| subvolume.path.as_str()).collect();
    text += &subvolumes.join(" ");
    text += &format!("\nkernel arguments: {}\n", plan.boot.arguments.join(" "));
    let formats: Vec<_> = plan.outputs.iter().map(|format| format.as_str()).collect();
    text += &format!("results: {}\n", formats.join(", "));
    for (role, reason) in &plan.absent {
        text += &format!("absent: {role}: {reason}\n");
    }
    for note in &loaded.profile.notes {
        text += &format!("note: {note}\n");
    }
    printable(&text)
}
