//! `profiles`, `init` and `schema`: what there is, and how to begin.

use std::{io::Write, path::Path, process::ExitCode};

use super::{Failure, Outcome, out};

/// List the profiles, platforms and distributions that there are, and where each comes from
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Write a profile to NAME.yaml instead, to edit it
    #[arg(long, value_name = "NAME")]
    copy: Option<String>,
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
        return write_new(name, "");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn init(args: &InitArgs) -> Outcome {
    write_new(&args.name, &args.extends)
}

pub(super) fn schema() -> Outcome {
    out("{}\n")?;
    Ok(ExitCode::SUCCESS)
}

/// Writes `NAME.yaml` in the working directory, and never over something.
fn write_new(name: &str, text: &str) -> Outcome {
    if name.is_empty() || name.starts_with(['.', '-']) || name.contains(['/', '\0']) {
        return Err(Failure::usage(format!("`{name}` is no name for a profile")).hint("letters, digits and `-`"));
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
    out(&format!("{shown}\nbuild it: rowi build --profile ./{path}\n"))?;
    Ok(ExitCode::SUCCESS)
}
