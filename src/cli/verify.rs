//! `verify`: every promise of the layout, checked on an image's bytes.

use std::{path::PathBuf, process::ExitCode};

use super::{Failure, Outcome, Screen, out, table::table};
use crate::{
    image::Source,
    report::Exit,
    verify::{Facts, RULES, outside, verify},
};

/// Check every promise of the layout on an image's bytes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A raw or qcow2 image
    image: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Fail where packages have files outside of the snapshot, too
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Args, screen: &Screen) -> Outcome {
    screen.report().stage("read");
    let source = Source::open(&args.image)?;
    let facts = Facts::read(source)?;
    screen.report().stage("verify");
    let findings = verify(&facts);
    screen.clear();
    if args.json {
        let text = serde_json::to_string_pretty(&findings).map_err(|fault| Failure::host(fault.to_string()))?;
        out(&(text + "\n"))?;
    } else {
        let rows: Vec<_> = findings
            .iter()
            .map(|finding| [finding.rule.to_owned(), finding.fault.clone(), finding.breaks.to_owned()])
            .collect();
        out(&table(&rows))?;
        out(&format!("{} of {} promises hold\n", held(&findings), RULES.len()))?;
    }
    let outside = outside(&facts)?;
    for line in &outside.files {
        screen.report().warn(line);
    }
    for line in &outside.scriptlets {
        screen.report().note(line);
    }
    let is_sound = findings.is_empty() && (outside.files.is_empty() || !args.strict);
    Ok(if is_sound { ExitCode::SUCCESS } else { ExitCode::from(Exit::Verification as u8) })
}

fn held(findings: &[crate::verify::Finding]) -> usize {
    RULES.iter().filter(|rule| findings.iter().all(|finding| finding.rule != rule.name)).count()
}
