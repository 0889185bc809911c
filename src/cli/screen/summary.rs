//! The last lines of a build: how long, where the results are, what may be wrong, and what to do next.

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Progress, Screen, State, write_json};
use crate::report::printable;

/// A stage shorter than this is not named: the summary says what took the time.
const WORTH_NAMING: Duration = Duration::from_millis(500);

impl Screen {
    /// `done in 1 min 52 s: fetch 71 s, install 14 s, …`, then the lines of the caller's, then warnings again.
    pub(in crate::cli) fn done(&self, lines: &[String]) {
        self.clear();
        let state = &mut *self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.quiet {
            return;
        }
        if self.0.progress == Progress::Json {
            return write_json(&Done::of(state));
        }
        let stages = stages(state).into_iter().filter(|(_, time)| *time >= WORTH_NAMING);
        let named: Vec<String> = stages.map(|(name, time)| format!("{} {}", printable(&name), seconds(time))).collect();
        let colon = if named.is_empty() { "" } else { ": " };
        let total = seconds(state.begun.elapsed());
        self.line(state, &format!("{} in {total}{colon}{}", self.paint("32", "done"), named.join(", ")));
        for line in lines {
            self.line(state, &printable(line));
        }
        if !state.warnings.is_empty() {
            let warnings = std::mem::take(&mut state.warnings);
            let many = if warnings.len() == 1 { "1 warning".into() } else { format!("{} warnings", warnings.len()) };
            self.line(state, &format!("{}:", self.paint("33", &many)));
            warnings.iter().for_each(|text| self.line(state, &format!("  {}", printable(text))));
        }
    }
}

/// The last JSON line.
#[derive(Serialize)]
struct Done {
    event: &'static str,
    milliseconds: u128,
    stages: Vec<Stage>,
    warnings: usize,
}

#[derive(Serialize)]
struct Stage {
    name: String,
    milliseconds: u128,
}

impl Done {
    fn of(state: &State) -> Self {
        let stages = stages(state).into_iter();
        Self {
            event: "done",
            milliseconds: state.begun.elapsed().as_millis(),
            stages: stages.map(|(name, time)| Stage { name, milliseconds: time.as_millis() }).collect(),
            warnings: state.warnings.len(),
        }
    }
}

/// Stages with their times; each ends where the next begins. One that comes again is counted once.
fn stages(state: &State) -> Vec<(String, Duration)> {
    let now = Instant::now();
    let ends = state.stages.iter().skip(1).map(|(_, begun)| *begun).chain([now]);
    let mut times: Vec<(String, Duration)> = Vec::new();
    for ((name, begun), end) in state.stages.iter().zip(ends) {
        let time = end.duration_since(*begun);
        match times.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += time,
            None => times.push((name.clone(), time)),
        }
    }
    times
}

/// `9.3 s`, `71 s`, `1 min 52 s`.
fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        whole @ 10..100 => format!("{whole} s"),
        whole => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let shown = [300, 9_300, 71_200, 112_000].map(|time| seconds(Duration::from_millis(time)));
        assert_eq!(shown, ["0.3 s", "9.3 s", "71 s", "1 min 52 s"]);
    }
}
