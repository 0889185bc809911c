//! All that is wrong with what was asked, in one error.

use std::{fmt, path::Path};

use super::Place;
use crate::report::{Diagnostic, Exit, Explain};

/// Every fault in profile, platform, distribution and arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Diagnostic>);

impl Faults {
    /// Nothing if there is none; in the order of files and lines, each once.
    pub(super) fn check(mut found: Vec<Diagnostic>) -> Result<(), Self> {
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| a.message.cmp(&b.message)));
        found.dedup();
        Err(Self(found))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            f.write_str(&diagnostic.message)?;
            if let Some(place) = &diagnostic.place {
                write!(f, " ({place})")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}

impl Explain for Faults {
    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        self.0.clone()
    }
}

/// The candidate that is nearest to what was typed, if one is near.
pub(super) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + typed.chars().count() / 4;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = distance(typed, candidate);
        if distance <= limit && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().take(64).collect(), other.chars().take(64).collect());
    let mut rows: Vec<Vec<usize>> = (0..=one.len()).map(|at| vec![at; other.len() + 1]).collect();
    rows[0] = (0..=other.len()).collect();
    for i in 1..=one.len() {
        for j in 1..=other.len() {
            let differs = usize::from(one[i - 1] != other[j - 1]);
            let mut least = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + differs);
            if i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[one.len()][other.len()]
}

/// The place of a command-line option.
pub(super) fn option(name: &str) -> Place {
    Place { file: Path::new(name).to_owned(), line: 1, column: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_offered_and_far_ones_not() {
        let words = ["kubic", "microos", "container-host"];
        for (typed, offered) in [
            ("kubik", Some("kubic")),
            ("mciroos", Some("microos")),
            ("contaner-host", Some("container-host")),
            ("desktop", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, words), offered, "{typed}");
        }
        assert_eq!(nearest("packges", ["packages", "platform"]), Some("packages"));
    }
}
