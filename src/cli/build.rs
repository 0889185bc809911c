//! `build`: the stages are `crate::build`'s; here are the lines at the end.

use std::{path::Path, process::ExitCode};

use super::{Global, Outcome, Screen, options::BuildArgs, out, terminal::Terminal};
use crate::build::{self, Built, ResultFile};

pub(super) fn run(args: BuildArgs, global: &Global, screen: &Screen) -> Outcome {
    let mut options = args.options(global)?;
    let built = match args.shell {
        false => build::run(&options, &screen.report())?,
        true => {
            let terminal = Terminal::open()?;
            options.shell = Some(terminal.for_shell());
            build::run(&options, &terminal.report(screen))?
        }
    };
    screen.done(&lines(&built));
    out(&results(&built, global.quiet))?;
    Ok(ExitCode::SUCCESS)
}

/// Absolute paths; with sizes for people, without for programs.
fn results(built: &Built, quiet: bool) -> String {
    let line = |file: &ResultFile| match quiet {
        true => format!("{}\n", file.path.display()),
        false => format!("  {}  {}\n", file.path.display(), size(file)),
    };
    built.files.iter().map(line).collect()
}

/// Room on the host's disk, and the length too where they differ by more than a file system's rounding.
fn size(file: &ResultFile) -> String {
    if file.allocated.get() < file.length.get() / 10 * 9 {
        format!("{} (sparse, {})", file.allocated, file.length)
    } else {
        file.length.to_string()
    }
}

fn lines(built: &Built) -> Vec<String> {
    let mut lines = Vec::new();
    let failed = built.failures.len();
    if failed > 0 {
        lines.push(format!("{failed} scriptlets failed: {}", built.failures.join("; ")));
    }
    if !built.allowed_failures.is_empty() {
        lines.push(format!("{} scriptlets failed as the distribution says they may", built.allowed_failures.len()));
    }
    if let Some(card) = built.files.iter().find_map(|file| flashed(&file.path)) {
        lines.push(format!("write it to a card: sudo bmaptool copy {card} /dev/DEVICE, or with any flashing program"));
    }
    lines.push(format!("{} packages · boot it: rowi boot · check it: rowi boot --check", built.packages));
    lines
}

/// The path of a result that is for a card.
fn flashed(path: &Path) -> Option<String> {
    let name = path.to_str()?;
    (name.ends_with(".raw.xz") || name.ends_with(".raw.zst")).then(|| name.to_owned())
}
