//! Standard error: events become a bar on a terminal, plain lines elsewhere, or JSON lines.
//!
//! Everything passes through [`printable`] here, so that nothing from outside drives the terminal or a CI's log.

mod fault;
mod summary;

use std::{
    env,
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clap::ValueEnum;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{Failure, Global, interrupt};
use crate::report::{Diagnostic, Event, Report, printable};

/// Least time between two lines of progress where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    // A bar on a terminal, else plain lines.
    Auto,
    // A bar.
    Bar,
    // A line a stage, and one every few seconds.
    Plain,
    // A JSON object a line, one an event.
    Json,
}

/// Whether messages are coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    // On a terminal, unless `NO_COLOR` is set.
    Auto,
    // Always.
    Always,
    // Never.
    Never,
}

/// Where events and errors are shown. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Screen(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    progress: Progress,
    quiet: bool,
    styled: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    begun: Instant,
    /// Stages with their beginnings, in order.
    stages: Vec<(String, Instant)>,
    warnings: Vec<String>,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Screen {
    pub(super) fn new(global: &Global) -> Self {
        let terminal = io::stderr().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
        let progress = match global.progress {
            Progress::Auto if terminal => Progress::Bar,
            Progress::Auto => Progress::Plain,
            asked => asked,
        };
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let styled = match global.color {
            Color::Auto => terminal && !no_color,
            Color::Always => true,
            Color::Never => false,
        };
        let now = Instant::now();
        let state = State { begun: now, stages: Vec::new(), warnings: Vec::new(), bar: None, last_line: now };
        Self(Arc::new(Inner { progress, quiet: global.quiet, styled, state: Mutex::new(state) }))
    }

    /// Where stages send their events.
    pub(super) fn report(&self) -> Report {
        let screen = self.clone();
        Report::new(move |event| {
            interrupt::stop_if_asked();
            screen.show(event);
        })
    }

    /// Shows one event.
    pub(super) fn show(&self, event: Event) {
        let state = &mut *self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.progress == Progress::Json && !self.0.quiet {
            write_json(&event);
        }
        match event {
            Event::Stage { name } => self.stage(state, name),
            Event::Progress { done, total, what } => self.progress(state, done, total, &what),
            Event::Note { text } => self.note(state, &text),
            Event::Warning { text } => self.warn(state, text),
            // The shell has the terminal: `terminal` gives it that.
            Event::ShellOpened { why } => self.give_way(state, &why),
            Event::ShellClosed => {}
        }
    }

    fn stage(&self, state: &mut State, name: String) {
        if self.shows_bar() {
            let bar = state.bar.get_or_insert_with(bar);
            bar.set_length(0);
            bar.set_position(0);
            bar.set_prefix(printable(&name));
            bar.set_message("");
        } else if self.shows_lines() {
            self.line(state, &format!("{} …", printable(&name)));
        }
        state.stages.push((name, Instant::now()));
    }

    fn progress(&self, state: &mut State, done: u64, total: u64, what: &str) {
        if let Some(bar) = &state.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(printable(what));
        } else if self.shows_lines() && state.last_line.elapsed() >= BETWEEN_LINES {
            let percent = done.min(total).saturating_mul(100).checked_div(total);
            let share = percent.map_or_else(String::new, |percent| format!("{percent} % "));
            self.line(state, &format!("  {share}{}", printable(what)));
        }
    }

    fn note(&self, state: &mut State, text: &str) {
        if self.0.progress != Progress::Json && !self.0.quiet {
            self.line(state, &printable(text));
        }
    }

    fn warn(&self, state: &mut State, text: String) {
        if self.0.progress != Progress::Json || self.0.quiet {
            let line = format!("{} {}", self.paint("33", "warning:"), printable(&text));
            self.line(state, &line);
        }
        state.warnings.push(text);
    }

    fn give_way(&self, state: &mut State, why: &str) {
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        self.line(state, &format!("{} {}", self.paint("36", "a shell in the root:"), printable(why)));
    }

    /// Advice, as it stands below errors.
    pub(super) fn hint(&self, text: &str) {
        let state = &mut *self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{} {}", self.paint("36", "hint:"), printable(text));
        self.line(state, &line);
    }

    /// All faults of a command that failed.
    pub(super) fn fail(&self, failure: &Failure) {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            exit: u8,
            #[serde(flatten)]
            diagnostic: &'a Diagnostic,
        }
        for diagnostic in &failure.diagnostics {
            if self.0.progress == Progress::Json {
                write_json(&Line { event: "error", exit: failure.exit as u8, diagnostic });
            } else {
                write_line(&fault::text(diagnostic, self.0.styled));
            }
        }
        if env::var_os("GITHUB_ACTIONS").is_some() && self.0.progress != Progress::Json {
            failure.diagnostics.iter().for_each(|diagnostic| write_line(&fault::annotation(diagnostic)));
        }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        let state = &mut *self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn shows_bar(&self) -> bool {
        self.0.progress == Progress::Bar && !self.0.quiet
    }

    fn shows_lines(&self) -> bool {
        self.0.progress == Progress::Plain && !self.0.quiet
    }

    fn line(&self, state: &mut State, line: &str) {
        state.last_line = Instant::now();
        match &state.bar {
            Some(bar) => bar.suspend(|| write_line(line)),
            None => write_line(line),
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.0.styled { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// A bar where the total is known, else something that moves.
fn bar() -> ProgressBar {
    let template = "{spinner} {prefix:<10} {bar:28} {percent:>3} % {elapsed:>4} {wide_msg}";
    let style = ProgressStyle::with_template(template).expect("the template is a constant that parses");
    let bar = ProgressBar::new(0).with_style(style);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A terminal that went away is no reason to fail.
fn write_line(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn write_json(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        write_line(&text);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_bars_template_parses() {
        super::bar().finish_and_clear();
    }
}
