//! The packages that were chosen, and why each.

use crate::{
    plan,
    profile::Place,
    repo::{Checksum, Fetched, State},
    units::{Bytes, Epoch},
};

/// What is installed: everything that is asked for and everything that it needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolution {
    /// Sorted by name, version and architecture.
    pub packages: Vec<Chosen>,
    /// The repositories that were asked, in their order.
    pub repositories: Vec<Source>,
}

/// A repository that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its alias.
    pub alias: String,
    /// What it was.
    pub state: State,
}

/// A chosen package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Name.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Architecture.
    pub arch: String,
    /// Alias of its repository.
    pub repository: String,
    /// Path below the repository, or a whole address.
    pub location: String,
    /// Size of the package file; 0 is not known.
    pub size: Bytes,
    /// Of the package file.
    pub checksum: Checksum,
    /// When it was built.
    pub build_time: Epoch,
    /// Size of its files.
    pub installed_size: Bytes,
    /// The lines of the profile that ask for it; none for what others need.
    pub asked: Vec<Place>,
    /// Why it is there, when no line asks for it.
    pub reason: Option<Reason>,
}

/// Why a package came along.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The package that pulled it in, or that it supplements.
    pub package: String,
    /// `requires`, `recommends` or `supplements`.
    pub how: String,
    /// The dependency, as written.
    pub dependency: String,
}

impl Resolution {
    /// The newest build time: nothing in the image is younger (`SOURCE_DATE_EPOCH`'s default).
    pub fn epoch(&self) -> Epoch {
        self.packages.iter().map(|package| package.build_time).max().unwrap_or_default()
    }

    /// The package of that name.
    pub fn package(&self, name: &str) -> Option<&Chosen> {
        self.packages.iter().find(|package| package.name == name)
    }

    /// From one that the profile asks for to `name`, each pulling in the next.
    pub fn why(&self, name: &str) -> Vec<&Chosen> {
        let mut way = Vec::new();
        let mut at = self.package(name);
        while let Some(package) = at {
            if way.contains(&package) {
                break;
            }
            way.push(package);
            at = package.reason.as_ref().and_then(|reason| self.package(&reason.package));
        }
        way.reverse();
        way
    }

    /// Puts SHA-256 sums, which lock and plan hold, where the metadata has others.
    pub fn pin(&mut self, files: &[Fetched]) {
        for file in files {
            if let Some(package) = self.packages.get_mut(file.index) {
                package.checksum = file.sha256.into();
            }
        }
    }

    /// For the plan; the name of a package whose SHA-256 is not known before it is fetched and pinned.
    pub fn to_plan(&self) -> Result<Vec<plan::Package>, &str> {
        self.packages
            .iter()
            .map(|package| {
                let sha256 = package.checksum.digest().ok_or(package.name.as_str())?.to_string();
                Ok(plan::Package {
                    name: package.name.clone(),
                    evr: package.evr.clone(),
                    arch: package.arch.clone(),
                    repository: package.repository.clone(),
                    size: package.size,
                    sha256,
                })
            })
            .collect()
    }
}
