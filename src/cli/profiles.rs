//! `profiles`, `init` and `schema`: what there is, and how to begin.

use std::{io::Write, path::Path, process::ExitCode};

use super::{Failure, Outcome, out, table::table};
use crate::profile::{self, Kind, Listed};

/// List the profiles, platforms and distributions that there are, and where each comes from
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Write a profile to NAME.yaml instead, to edit it
    #[arg(long, value_name = "NAME")]
    copy: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "copy")]
    json: bool,
}

/// Write a commented profile to begin with
#[derive(Debug, clap::Args)]
pub(super) struct InitArgs {
    /// Name of the new profile; the file is NAME.yaml
    name: String,
    /// Profile to start from
    #[arg(long, default_value = "microos", value_name = "PROFILE")]
    extends: String,
}

/// Print the JSON Schema of profiles, platforms and distributions
#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {}

pub(super) fn list(args: &ListArgs) -> Outcome {
    if let Some(name) = &args.copy {
        let text = profile::source(name).ok_or_else(|| unknown(name))?;
        return write_new(name, &text);
    }
    let listed = profile::list();
    if args.json {
        let text = serde_json::to_string_pretty(&listed).map_err(|fault| Failure::host(fault.to_string()))?;
        out(&(text + "\n"))?;
    } else {
        out(&table(&listed.iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Kind, name, place and summary; files that this one hides are named, or nobody knows why they do nothing.
fn row(listed: &Listed) -> [String; 4] {
    let mut place = listed.file.as_ref().map_or("built in".into(), |file| file.display().to_string());
    if !listed.hides.is_empty() {
        place += &format!(" (hides {})", listed.hides.join(", "));
    }
    [listed.kind.as_str().into(), listed.name.clone(), place, listed.summary.clone()]
}

fn unknown(name: &str) -> Failure {
    Failure::usage(format!("there is no profile, platform or distribution `{name}`")).hint("see `rowi profiles`")
}

pub(super) fn init(args: &InitArgs) -> Outcome {
    // The parent has to be there: the first build is no place to find out.
    let is_path = args.extends.contains('/') || args.extends.ends_with(".yaml");
    if !is_path && !profile::list().iter().any(|it| it.kind == Kind::Profile && it.name == args.extends) {
        return Err(unknown(&args.extends));
    }
    write_new(&args.name, &profile::init(&args.name, &args.extends))
}

pub(super) fn schema() -> Outcome {
    let text = serde_json::to_string_pretty(&profile::schema()).map_err(|fault| Failure::host(fault.to_string()))?;
    out(&(text + "\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `NAME.yaml` in the working directory, and never over something.
fn write_new(name: &str, text: &str) -> Outcome {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
    if name.starts_with(['.', '-']) || name.is_empty() || !name.chars().all(plain) {
        return Err(Failure::usage(format!("`{name}` is no name for a profile"))
            .hint("small letters, digits and `-`: it becomes part of the results' names"));
    }
    let path = format!("{name}.yaml");
    let failed = |cause| Failure::host(format!("cannot write `{path}`")).because(cause);
    let mut file = match fs_err::File::create_new(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(Failure::usage(format!("`{path}` exists already")));
        }
        file => file.map_err(failed)?,
    };
    file.write_all(text.as_bytes()).map_err(failed)?;
    let shown = fs_err::canonicalize(Path::new(&path)).map_or(path.clone(), |path| path.display().to_string());
    out(&format!("{shown}\n"))?;
    Ok(ExitCode::SUCCESS)
}
