//! What people type and what they read: arguments become options, events and errors become lines.
//!
//! ```text
//! arguments ─→ checked options ─→ the stages ─→ stdout: results
//!                                    └─ events ─→ stderr: bars, lines or JSON; errors; a summary
//! ```
//!
//! The only module that writes to the terminal. One file a subcommand: it gathers, calls a stage, and shows.

mod boot;
mod build;
mod cache;
mod doctor;
mod failure;
mod generate;
mod interrupt;
mod lock;
mod options;
mod plan;
mod profiles;
mod screen;
mod shell;
mod table;
mod terminal;
mod verify;
mod why;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use failure::Failure;
use screen::Screen;

/// What every subcommand ends with.
type Outcome = Result<ExitCode, Failure>;

/// Builds immutable, transactional openSUSE-style images from profiles
///
/// Without root, without loop devices, without mounting anything; the same input gives the same bytes.
#[derive(Debug, Parser)]
#[command(name = "rowi", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Rowi {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 build failed, 2 bad arguments or profile, 3 packages unsatisfiable,
4 the host cannot do it (tool, privilege, space, network), 5 verification failed, 130 interrupted

First image: rowi build --profile kubic && rowi boot";

/// Options of every subcommand.
#[derive(Clone, Debug, clap::Args)]
struct Global {
    /// Show results, warnings and errors only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Show progress as bars, plain lines or JSON lines
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "HOW")]
    progress: screen::Progress,
    /// Colour messages (`NO_COLOR` is heard too)
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: screen::Color,
    /// Keep downloads and stages in DIR instead of `$XDG_CACHE_HOME/rowi`
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Build(Box<options::BuildArgs>),
    Plan(Box<plan::Args>),
    Lock(Box<lock::Args>),
    Why(Box<why::Args>),
    Shell(Box<shell::Args>),
    Profiles(profiles::ListArgs),
    Init(profiles::InitArgs),
    Schema(profiles::SchemaArgs),
    Verify(verify::Args),
    Boot(Box<boot::Args>),
    Doctor(doctor::Args),
    Cache(cache::Args),
    Completions(generate::CompletionsArgs),
    Man(generate::ManArgs),
}

/// Parses the arguments, does what they say, and prints the error if there is one.
pub fn run() -> ExitCode {
    let rowi = match Rowi::try_parse() {
        Ok(rowi) => rowi,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let screen = Screen::new(&rowi.global);
    let outcome = interrupt::guarded(|| dispatch(rowi, &screen));
    screen.clear();
    outcome.unwrap_or_else(|failure| {
        screen.fail(&failure);
        ExitCode::from(failure.exit as u8)
    })
}

fn dispatch(rowi: Rowi, screen: &Screen) -> Outcome {
    let global = &rowi.global;
    match rowi.verb {
        Verb::Build(args) => build::run(*args, global, screen),
        Verb::Plan(args) => plan::run(&args, global, screen),
        Verb::Lock(args) => lock::run(&args, global, screen),
        Verb::Why(args) => why::run(&args, global, screen),
        Verb::Shell(args) => shell::run(&args, global, screen),
        Verb::Profiles(args) => profiles::list(&args),
        Verb::Init(args) => profiles::init(&args),
        Verb::Schema(_) => profiles::schema(),
        Verb::Verify(args) => verify::run(&args, screen),
        Verb::Boot(args) => boot::run(&args, screen),
        Verb::Doctor(args) => doctor::run(&args, screen),
        Verb::Cache(args) => cache::run(&args, global),
        Verb::Completions(args) => generate::completions(&args),
        Verb::Man(args) => generate::man(&args),
    }
}

/// The whole command line, for completions and man pages.
fn command() -> clap::Command {
    <Rowi as clap::CommandFactory>::command()
}

/// Writes results. A reader that went away ends the program as it ends any other in a pipe.
fn out(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|source| Failure::host("cannot write to standard output").because(source)),
    }
}
