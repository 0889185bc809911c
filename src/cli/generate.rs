//! `completions` and `man`: files for shells and for man, from the arguments themselves.

use std::{path::PathBuf, process::ExitCode};

use super::{Failure, Outcome, command, out};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// Shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Write man pages
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Folder for the pages
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Outcome {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "rowi", &mut text);
    out(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn man(args: &ManArgs) -> Outcome {
    let failed = |cause| Failure::host(format!("cannot write man pages to `{}`", args.folder.display())).because(cause);
    fs_err::create_dir_all(&args.folder).map_err(failed)?;
    clap_mangen::generate_to(command(), &args.folder).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}
