//! `doctor`: what this machine lets rowi do, and what to change.

use std::process::ExitCode;

use super::{Outcome, Screen, out, table::table};
use crate::{report::Exit, sandbox};

/// Say what this machine lacks for building, and what to change
#[derive(Debug, clap::Args)]
pub(super) struct Args {}

pub(super) fn run(_: &Args, screen: &Screen) -> Outcome {
    let checks = sandbox::doctor();
    let mark = |ok| if ok { "ok" } else { "NO" };
    let rows: Vec<_> =
        checks.iter().map(|check| [mark(check.ok).to_owned(), check.name.clone(), check.why.clone()]).collect();
    out(&table(&rows))?;
    let mut advice: Vec<&String> =
        checks.iter().filter(|check| !check.ok).filter_map(|it| it.advice.as_ref()).collect();
    advice.dedup();
    for advice in advice {
        screen.hint(advice);
    }
    // The last check is the sandbox itself, tried: what came before it only says why.
    let works = checks.last().is_some_and(|check| check.ok);
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::from(Exit::Host as u8) })
}
