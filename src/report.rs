//! What people and CI read: events while a build runs, and errors with cause, place and advice.
//!
//! Stages never print. They emit [`Event`]s into a [`Report`] and return errors that implement [`Explain`]; the
//! renderers are in `cli`.

use std::{error::Error, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use crate::profile::Place;

/// Something worth showing while a command runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A stage begins; the one before it, if any, has ended.
    Stage {
        /// `fetch`, `install`, `initrd`, `write`, …
        name: String,
    },
    /// The stage that runs got further.
    Progress {
        /// Units done: bytes, packages or files, whatever the stage counts.
        done: u64,
        /// Units in all; 0 when that is not known.
        total: u64,
        /// What is being done, for the bar's end.
        what: String,
    },
    /// A line worth keeping.
    Note {
        /// The line.
        text: String,
    },
    /// A shell in the root begins and has the terminal; `why` says where it is.
    ShellOpened {
        /// The line.
        why: String,
    },
    /// The shell has ended.
    ShellClosed,
    /// Something that may be wrong; counted and shown again at the end.
    Warning {
        /// The line.
        text: String,
    },
}

/// Where events go. Cheap to clone; the default throws them away.
#[derive(Clone)]
pub struct Report(Arc<dyn Fn(Event) + Send + Sync>);

impl Report {
    /// Sends every event to `sink`.
    pub fn new(sink: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(sink))
    }

    /// Sends one event.
    pub fn emit(&self, event: Event) {
        (self.0)(event);
    }

    /// A stage begins.
    pub fn stage(&self, name: &str) {
        self.emit(Event::Stage { name: name.into() });
    }

    /// The stage got further.
    pub fn progress(&self, done: u64, total: u64, what: impl Into<String>) {
        self.emit(Event::Progress { done, total, what: what.into() });
    }

    /// A line worth keeping.
    pub fn note(&self, text: impl Into<String>) {
        self.emit(Event::Note { text: text.into() });
    }

    /// Something that may be wrong.
    pub fn warn(&self, text: impl Into<String>) {
        self.emit(Event::Warning { text: text.into() });
    }
}

impl Default for Report {
    fn default() -> Self {
        Self::new(drop)
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report")
    }
}

/// Exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// The build failed.
    Build = 1,
    /// Bad arguments or profile.
    Usage = 2,
    /// The packages cannot be satisfied.
    Unsatisfiable = 3,
    /// The host cannot do it: a tool, a privilege, room or the network is missing.
    Host = 4,
    /// The image failed verification or a check.
    Verification = 5,
    /// Interrupted.
    Interrupted = 130,
}

/// One fault, told to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What happened: a lower-case fragment without a full stop.
    pub message: String,
    /// Where, if it is a user's file.
    pub place: Option<Place>,
    /// Causes, outermost first.
    pub because: Vec<String>,
    /// What to do.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// A fault with its causes taken from the error's chain.
    pub fn from_chain(error: &dyn Error) -> Self {
        let mut because = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            because.push(cause.to_string());
            source = cause.source();
        }
        Self { message: error.to_string(), place: None, because, hints: Vec::new() }
    }

    /// A fault at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self { message: message.into(), place: Some(place), because: Vec::new(), hints: Vec::new() }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// An error that can tell a person what to do.
pub trait Explain: Error {
    /// The program's exit code.
    fn exit(&self) -> Exit;

    /// Advice.
    fn hints(&self) -> Vec<String> {
        Vec::new()
    }

    /// All faults that this error stands for.
    fn diagnostics(&self) -> Vec<Diagnostic>
    where
        Self: Sized,
    {
        let mut diagnostic = Diagnostic::from_chain(self);
        diagnostic.hints = self.hints();
        vec![diagnostic]
    }
}

/// Text from outside with control characters made visible, so that no package name or scriptlet output can drive
/// the terminal or a CI's log commands.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c.to_string(),
            c if c.is_control() => format!("\\x{:02x}", c as u32),
            c => c.to_string(),
        })
        .collect()
}
