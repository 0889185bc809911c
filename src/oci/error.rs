//! Why an image cannot be had.

use crate::{
    profile::Preload,
    report::{Diagnostic, Exit, Explain},
};

/// Faults of all images that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{} of the container images to preload cannot be had", .0.len())]
pub struct Error(pub Vec<Fault>);

/// Why one image cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// For a person.
    pub diagnostic: Diagnostic,
    /// Whether the network is to blame, and not the image.
    pub is_network: bool,
}

impl Fault {
    /// At the line that asks for the image.
    pub(super) fn of(preload: &Preload, message: impl Into<String>) -> Self {
        Self { diagnostic: Diagnostic::at(preload.place.clone(), message), is_network: false }
    }

    /// With all causes of an error.
    #[must_use]
    pub(super) fn because(mut self, error: &(dyn std::error::Error + '_)) -> Self {
        let caused = Diagnostic::from_chain(error);
        self.diagnostic.because.push(caused.message);
        self.diagnostic.because.extend(caused.because);
        self
    }

    /// With advice.
    #[must_use]
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.diagnostic.hints.push(hint.into());
        self
    }

    /// The network's.
    #[must_use]
    pub(super) fn network(mut self) -> Self {
        self.is_network = true;
        self
    }
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        if self.0.iter().all(|fault| fault.is_network) { Exit::Host } else { Exit::Build }
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        self.0.iter().map(|fault| fault.diagnostic.clone()).collect()
    }
}
