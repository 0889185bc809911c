//! 1. What is asked: profile, platform and distribution files become one checked [`Profile`].
//!
//! ```text
//! find ─→ node ─→ shape ─→ merge ─→ read
//! text    values   forms    one      Profile
//!         placed   checked  tree
//! ```
//!
//! Every value keeps the line that it came from until the end, and every fault is told at once.

mod builtin;
mod catalog;
mod faults;
mod find;
mod load;
mod merge;
mod model;
mod node;
mod open;
mod origins;
mod read;
mod scalar;
mod schema;
mod shape;
#[cfg(test)]
mod tests;

pub use builtin::{BuiltInFile, built_in_overlay};
pub use catalog::{Listed, init, list, schema, source, text_of};
pub use faults::Faults;
pub use find::Kind;
pub use load::{distribution_for, load};
pub(crate) use model::server;
pub use model::*;
pub use origins::{Origin, Origins};

/// What the command line says about the profile.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// `--profile`: a name or a path.
    pub profile: String,
    /// `--platform`: a name or a path.
    pub platform: Option<String>,
    /// `--arch`.
    pub arch: Option<Arch>,
    /// `--distribution`: a name or a path.
    pub distribution: Option<String>,
    /// `--format`.
    pub formats: Option<Vec<Format>>,
    /// `--set KEY=VALUE`.
    pub set: Vec<String>,
    /// `--package`.
    pub packages: Vec<String>,
    /// `--repo ALIAS=URL`.
    pub repositories: Vec<String>,
    /// `--mirror FROM=TO`.
    pub mirrors: Vec<String>,
    /// `--strict`: warnings are faults.
    pub strict: bool,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub file: std::path::PathBuf,
    /// Whether it is compiled into the program.
    pub built_in: bool,
}

/// A checked profile and what is known about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The profile.
    pub profile: Profile,
    /// Where its values came from.
    pub origins: Origins,
    /// What may be wrong.
    pub warnings: Vec<String>,
    /// The files that it was read from: profiles (parents first), platform, distribution.
    pub files: Vec<Source>,
    /// Key blocks at hand: files beside the distribution's.
    pub keys: Vec<Vec<u8>>,
    /// `--mirror`: beginnings of addresses, and what stands for them.
    pub mirrors: Vec<(String, String)>,
}

impl Loaded {
    /// The distribution with the addresses that packages are fetched from: mirrors are in neither profile, lock nor
    /// manifest.
    pub fn fetched_from(&self) -> Distribution {
        self.mirrored(self.profile.distribution.clone())
    }

    /// A distribution with those addresses.
    pub fn mirrored(&self, mut distribution: Distribution) -> Distribution {
        for repository in &mut distribution.repositories {
            for (from, to) in &self.mirrors {
                if let Some(rest) = repository
                    .url
                    .strip_prefix(from.trim_end_matches('/'))
                    .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                {
                    repository.url = format!("{}{rest}", to.trim_end_matches('/'));
                    break;
                }
            }
        }
        distribution
    }
}
