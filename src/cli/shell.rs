//! `shell`: a person in a root, in the sandbox.

use std::{path::PathBuf, process::ExitCode};

use super::{
    Global, Outcome, Screen,
    options::{ChoiceArgs, LockedArgs, SourceArgs, secrets},
    terminal::Terminal,
};
use crate::build;

/// Open a shell in a profile's tree, or in one that a failed build kept
#[derive(Debug, clap::Args)]
#[command(override_usage = "rowi shell --profile PROFILE [OPTIONS]\n       rowi shell [--remove] DIR")]
pub(super) struct Args {
    /// Look into the tree that `rowi build --keep-failed DIR` kept
    #[arg(value_name = "DIR", conflicts_with = "profile", required_unless_present = "profile")]
    kept: Option<PathBuf>,
    /// Remove that tree
    #[arg(long, requires = "kept")]
    remove: bool,
    #[command(flatten)]
    choice: Option<ChoiceArgs>,
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    locked: LockedArgs,
    /// Give a secret that the profile names
    #[arg(long, value_name = "NAME=env:VAR|file:PATH")]
    secret: Vec<String>,
}

pub(super) fn run(args: &Args, global: &Global, screen: &Screen) -> Outcome {
    match (&args.kept, &args.choice) {
        (Some(folder), _) if args.remove => build::kept::remove(folder, &screen.report())?,
        (Some(folder), _) => {
            let terminal = Terminal::open()?;
            build::kept::shell(folder, &terminal.for_shell(), &terminal.report(screen))?;
        }
        (None, Some(choice)) => {
            let terminal = Terminal::open()?;
            let mut options = choice.options(&args.source, global)?;
            options.choice.formats = Some(Vec::new()); // no image is written
            options.locked = args.locked.locked;
            options.secrets = secrets(&args.secret)?;
            options.shell = Some(terminal.for_shell());
            build::shell(&options, &terminal.report(screen))?;
        }
        (None, None) => {}
    }
    Ok(ExitCode::SUCCESS)
}
