//! 7. Is it right: a finished image is read back and held against every promise of the layout.
//!
//! ```text
//! image ─→ open ─→ Facts ─→ rules ─→ Findings
//! ```
//!
//! [`Facts`] come from the image's bytes alone, through readers that share no code with the writers; each [`Rule`]
//! is one promise, with what breaks when it does not hold. Nothing is mounted or booted.

pub mod facts;
mod open;
mod outside;
mod rules;
#[cfg(test)]
mod tests;

pub use facts::Facts;
pub use open::Error;
pub use outside::{Outside, outside};
pub use rules::RULES;

use serde::Serialize;

/// A promise of the layout.
pub struct Rule {
    /// Short name, for messages and for silencing nothing: there is no way to switch a rule off.
    pub name: &'static str,
    /// What an image promises.
    pub promise: &'static str,
    /// What happens on a machine where it does not hold.
    pub breaks: &'static str,
    /// Looks for everything that is not so, one sentence each.
    pub faults: fn(&Facts) -> Vec<String>,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rule({})", self.name)
    }
}

/// A promise that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule's name.
    pub rule: &'static str,
    /// What is wrong, in one sentence.
    pub fault: String,
    /// What it breaks.
    pub breaks: &'static str,
}

/// Holds an image against all rules.
pub fn verify(facts: &Facts) -> Vec<Finding> {
    RULES
        .iter()
        .flat_map(|rule| {
            (rule.faults)(facts).into_iter().map(|fault| Finding { rule: rule.name, fault, breaks: rule.breaks })
        })
        .collect()
}
