//! The end of a subcommand that failed: an exit code and the faults to show, whatever stage they came from.

use crate::report::{Diagnostic, Exit, Explain};

/// Why a subcommand failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) exit: Exit,
    pub(super) diagnostics: Vec<Diagnostic>,
}

impl Failure {
    fn new(exit: Exit, message: impl Into<String>) -> Self {
        let diagnostic = Diagnostic { message: message.into(), place: None, because: Vec::new(), hints: Vec::new() };
        Self { exit, diagnostics: vec![diagnostic] }
    }

    /// Arguments that cannot be meant.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something that the host refuses.
    pub(super) fn host(message: impl Into<String>) -> Self {
        Self::new(Exit::Host, message)
    }

    /// Stopped from outside.
    pub(super) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted")
    }

    pub(super) fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.diagnostics.iter_mut().for_each(|diagnostic| diagnostic.because.push(cause.to_string()));
        self
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        self.diagnostics.iter_mut().for_each(|diagnostic| diagnostic.hints.push(hint.clone()));
        self
    }
}

impl<E: Explain> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { exit: error.exit(), diagnostics: error.diagnostics() }
    }
}
