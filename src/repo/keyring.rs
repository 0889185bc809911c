//! The distribution's keys, and what they vouch for.

use std::{
    io::{BufReader, Seek, SeekFrom},
    path::Path,
};

use super::Refusal;
use crate::{
    profile::Key,
    rpm::{
        Package,
        signature::{self, Keyring},
    },
    units::Epoch,
};

/// Keys that are trusted: known by their fingerprints, whatever else lies in the files that they came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    ring: Keyring,
    /// One that the distribution lists, for the message when none was found.
    listed: Option<String>,
}

impl Trust {
    /// The trusted ones among the keys of some files.
    pub(super) fn new(blocks: &[Vec<u8>], trusted: &[Key]) -> Self {
        let mut ring = Keyring::default();
        for block in blocks {
            // A file without a key that can be read has no trusted one.
            let _ = ring.add(block, "the repository");
        }
        ring.retain(|fingerprint| trusted.iter().any(|key| key.is(fingerprint)));
        Self { ring, listed: trusted.first().map(|key| key.fingerprint.clone()) }
    }

    /// Who made a detached signature. What is fetched `now` must be by a key that is good now: with one that has ended,
    /// someone could serve the state of years ago.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8], now: Option<Epoch>) -> Result<String, Refusal> {
        if self.ring.is_empty() {
            return Err(self.listed.clone().map_or(Refusal::NoKeys, Refusal::NoKey));
        }
        let signer = self.ring.verify_detached(signature, message)?;
        match (signer.until.map(|until| Epoch(until.into())), now) {
            (Some(until), Some(now)) if until < now => {
                Err(Refusal::Ended { key: signer.fingerprint, until: until.day() })
            }
            _ => Ok(signer.fingerprint),
        }
    }

    /// Whether a package file may be used. Where its checksum is vouched for by signed metadata, it need not be
    /// signed; one that is signed must be so by a trusted key.
    pub(super) fn verify_package(&self, file: &Path, required: bool) -> Result<(), Refusal> {
        match self.signer(file) {
            Ok(_) => Ok(()),
            Err(signature::Error::Unsigned | signature::Error::Weak { .. }) if !required => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn signer(&self, file: &Path) -> Result<signature::Signer, signature::Error> {
        let unreadable = |fault: String| signature::Error::Unreadable { what: "the package".into(), fault };
        let mut file = BufReader::new(fs_err::File::open(file)?);
        let package = Package::read(&mut file).map_err(|error| unreadable(error.to_string()))?;
        file.seek(SeekFrom::Start(package.payload_offset))?;
        signature::verify(&package, file, &self.ring)
    }
}

impl From<signature::Error> for Refusal {
    fn from(error: signature::Error) -> Self {
        match error {
            signature::Error::Unsigned => Self::Unsigned,
            signature::Error::UnknownKey { issuer, .. } => Self::UnknownKey(issuer),
            signature::Error::Bad { fingerprint, .. } => Self::Bad(fingerprint),
            other => Self::Unusable(other.to_string()),
        }
    }
}

/// The primary fingerprints in a file of keys.
pub(super) fn fingerprints(block: &[u8]) -> Vec<String> {
    Keyring::default().add(block, "the repository").unwrap_or_default()
}
