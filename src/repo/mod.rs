//! 2. What exists: repositories become [`Packages`], and chosen packages become files.
//!
//! ```text
//! load    repomd.xml, its signature ─→ primary.xml, by checksum ─→ Offer
//! fetch   Resolution ─→ package files in the cache, by checksum
//! ```
//!
//! Nothing is used that is not vouched for: `repomd.xml` by a key of the distribution's, everything else by a
//! checksum in it. A repository is the folder or address that has `repodata/` in it; rpm-md is what createrepo_c
//! writes and libsolv, zypper and dnf read.

mod address;
mod checksum;
mod error;
mod fetch;
mod filelists;
mod keyring;
mod load;
mod model;
mod primary;
mod repomd;
mod transport;
mod xml;

/// Doors for the fuzz targets to what only this module reads.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz {
    /// Reads a `repomd.xml`.
    pub fn repomd(bytes: &[u8]) {
        let _ = super::repomd::Repomd::parse(bytes);
    }

    /// Reads a `primary.xml`, and looks for paths as in a `filelists.xml`.
    pub fn primary(bytes: &[u8]) {
        if let Ok(mut plain) = crate::unpack::unpack(bytes, 1 << 20) {
            let mut text = Vec::new();
            if std::io::Read::read_to_end(&mut plain, &mut text).is_ok() {
                let _ = super::primary::parse(text.as_slice());
                let _ = super::filelists::find(text.as_slice(), &["/usr/bin/a"]);
            }
        }
    }
}

pub use checksum::Checksum;
pub use error::{Error, Mismatch, Refusal};
pub use fetch::{Fetched, fetch, trusted_keys};
pub use load::{complete, load};
pub use model::*;
pub use xml::Error as MetadataError;

use crate::{cache::Cache, report::Report, units::Epoch};
use transport::Transport;

/// The packages that can be had.
#[derive(Clone, Debug, Default)]
pub struct Packages {
    /// One a repository, in the distribution's order.
    pub offers: Vec<Offer>,
}

impl Packages {
    /// The versions that there are of a package.
    pub fn versions(&self, name: &str) -> impl Iterator<Item = &str> {
        self.offers.iter().flat_map(move |offer| {
            let name = offer.words.find(name);
            let named = offer.packages.iter().filter(move |package| Some(package.name) == name);
            named.map(|package| offer.words.get(package.evr))
        })
    }

    /// Whether [`complete`] could add paths.
    pub fn has_more_paths(&self) -> bool {
        self.offers.iter().any(|offer| offer.filelists.is_some())
    }
}

/// How repositories are reached.
pub struct Access<'a> {
    /// Where everything is kept.
    pub cache: &'a Cache,
    /// Who hears of progress and warnings.
    pub report: &'a Report,
    /// Whether the network may not be used.
    pub offline: bool,
    /// Blocks of keys that are at hand: files beside the distribution's. Only keys that it lists are trusted.
    pub keys: &'a [Vec<u8>],
    /// When metadata that is fetched must be by a key that is good.
    pub now: Epoch,
    transport: Transport,
}

impl std::fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("offline", &self.offline).finish_non_exhaustive()
    }
}

impl<'a> Access<'a> {
    /// Over the network.
    pub fn new(cache: &'a Cache, report: &'a Report) -> Self {
        Self { cache, report, offline: false, keys: &[], now: Epoch::now(), transport: Transport::new() }
    }

    /// Without the network, if so.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// With keys that are at hand.
    #[must_use]
    pub fn keys(mut self, keys: &'a [Vec<u8>]) -> Self {
        self.keys = keys;
        self
    }
}

#[cfg(test)]
mod tests;
