//! `plan`: what `build` would do, and who said so.

use std::process::ExitCode;

use super::{
    Failure, Global, Outcome, Screen,
    options::{ChoiceArgs, LockedArgs, SourceArgs},
    out,
    table::table,
};
use crate::{
    build,
    cache::Cache,
    oci,
    plan::{self, Plan},
    profile::{Loaded, Origin, Place},
    report::printable,
    root,
    strays::{self, Stray},
    units::Bytes,
};

/// Show what `build` would do
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    choice: ChoiceArgs,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    locked: LockedArgs,
    /// Print the whole plan as JSON
    #[arg(long, conflicts_with = "explain")]
    json: bool,
    /// Say only where a value comes from: the file and line that set it, and those that it replaced
    #[arg(long, value_name = "KEY")]
    explain: Option<String>,
}

pub(super) fn run(args: &Args, global: &Global, screen: &Screen) -> Outcome {
    let options = build::Options { locked: args.locked.locked, ..args.choice.options(&args.source, global)? };
    let report = screen.report();
    let (loaded, secrets) = build::load(&options, &report)?;
    if let Some(key) = &args.explain {
        return explain(&loaded, key);
    }
    let cache = super::cache::open(global)?;
    let mut images = build::images(&loaded.profile.preload, &loaded, &secrets, &options, &cache, &report)?;
    let mut chosen = build::choose(&loaded, &options, &cache, &report)?;
    let packages = chosen.pin(&loaded, &options, &cache, &report)?;
    images.extend(build::control_plane(&chosen, &loaded, &secrets, &options, &cache, &report)?);
    let contents = plan::Contents { packages, images: images.iter().map(oci::Image::to_plan).collect() };
    let plan = build::plan(&options, &loaded, contents, chosen.resolution.epoch(), cache.work())?;
    let outside = outside(&plan, &cache);
    screen.clear();
    out(&if args.json { json(&plan)? } else { people(&plan, &loaded, &outside) })?;
    Ok(ExitCode::SUCCESS)
}

/// What packages have and do outside of the snapshot, a line each. The lists are in the packages themselves: those that
/// are not in the cache yet are counted.
fn outside(plan: &Plan, cache: &Cache) -> Vec<String> {
    let shared = strays::shared(plan.layout.subvolumes.iter().map(|subvolume| subvolume.path.as_str()));
    let (mut files, mut lines, mut unknown) = (Vec::new(), Vec::new(), 0);
    for package in &plan.packages {
        let file = package.sha256.parse().ok().and_then(|digest| cache.object(digest).ok()?);
        let Some(read) = file.and_then(|path| root::Package::open(&path).ok()) else {
            unknown += 1;
            continue;
        };
        files.extend(Stray::of(&read.label, read.files.iter().filter(|file| !file.flags.is_ghost()), &shared));
        lines.extend(strays::scriptlets(&read.label, &read.scriptlets, &shared));
    }
    // What tmpfiles.d makes at every start is only known of the finished tree.
    let mut all = strays::sentences(&Default::default(), &files);
    all.append(&mut lines);
    if unknown > 0 {
        all.push(format!("{unknown} packages are not in the cache yet: `rowi verify` says it of the image"));
    }
    all
}

/// A value, the line that set it, and those that it replaced, the newest first.
fn explain(loaded: &Loaded, key: &str) -> Outcome {
    let Some(origin) = loaded.origins.explain(key) else {
        let keys = loaded.origins.keys();
        let below = keys.iter().find(|known| known.ends_with(&format!(".{key}")));
        let failure = Failure::usage(format!("nothing sets a value `{key}`"));
        return Err(match below {
            Some(known) => failure.hint(format!("`{known}` has a value")),
            None => failure.hint("`rowi plan` lists every value that was set, with its key"),
        });
    };
    let mut text = format!("{}: {}\n  set by {}\n", origin.key, origin.value, placed(origin.place.as_ref()));
    for (place, value) in origin.replaced.iter().rev() {
        text += &format!("  instead of {value}, set by {}\n", placed(place.as_ref()));
    }
    out(&printable(&text))?;
    Ok(ExitCode::SUCCESS)
}

/// Where a value was set; the command line and the defaults have no lines.
fn placed(place: Option<&Place>) -> String {
    match place {
        None => "default".into(),
        Some(place) if place.file.as_os_str().as_encoded_bytes().starts_with(b"--") => place.file.display().to_string(),
        Some(place) => format!("{}:{}", place.file.display(), place.line),
    }
}

fn json(plan: &Plan) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(plan).map_err(|fault| Failure::host(fault.to_string()))?;
    Ok(text + "\n")
}

/// The head, the packages, the disk, and every value that somebody set.
fn people(plan: &Plan, loaded: &Loaded, outside: &[String]) -> String {
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
    if !plan.images.is_empty() {
        text += &format!("\n{} container images\n", plan.images.len());
    }
    for image in &plan.images {
        text += &format!("  {} {} (sha256:{})\n", image.name, image.size, &image.sha256);
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
    for line in outside {
        text += &format!("outside: {line}\n");
    }
    text += "\nvalues that were set:\n";
    let rows: Vec<_> = loaded.origins.iter().map(value).collect();
    printable(&text) + &table(&rows)
}

/// Longest value in the table; `--explain` shows all of it.
const MAX_VALUE: usize = 60;

fn value(origin: Origin) -> [String; 3] {
    let mut value: String = origin.value.chars().take(MAX_VALUE).collect();
    if value.len() < origin.value.len() {
        value.push('…');
    }
    [format!("  {}", origin.key), value, placed(origin.place.as_ref())]
}
