//! Detached OpenPGP signatures of metadata.

use std::path::Path;

use pgp::{
    composed::{Deserializable, DetachedSignature, SignedPublicKey},
    types::{KeyDetails, Timestamp, VerifyingKey},
};

use super::Refusal;
use crate::profile::Key;

/// Decides whether a file is signed by a trusted key.
pub trait Verify: Send + Sync {
    /// The primary fingerprint, in upper-case hexadecimal, of the trusted key that signed.
    fn verify(&self, signed: &Signed<'_>) -> Result<String, Refusal>;

    /// Whether a package file may be used: signed by a trusted key, or unsigned where that is not required.
    fn verify_package(&self, package: &SignedPackage<'_>) -> Result<(), Refusal>;
}

/// A package file in the cache, and who may have signed it.
#[derive(Clone, Copy, Debug)]
pub struct SignedPackage<'a> {
    /// The file; its bytes are those that the metadata or the lock name.
    pub file: &'a Path,
    /// Whether it must be signed.
    pub required: bool,
    /// Blocks of keys; they may hold others than the trusted ones.
    pub blocks: &'a [Vec<u8>],
    /// The keys that are trusted, by fingerprint.
    pub trusted: &'a [Key],
}

/// A file, its signature, and the keys that may have made it.
#[derive(Clone, Copy, Debug)]
pub struct Signed<'a> {
    /// The file.
    pub message: &'a [u8],
    /// Its detached signature, armored or not.
    pub signature: &'a [u8],
    /// Blocks of keys, armored or not; they may hold others than the trusted ones.
    pub blocks: &'a [Vec<u8>],
    /// The keys that are trusted, by fingerprint.
    pub trusted: &'a [Key],
}

/// OpenPGP as repositories use it.
///
/// A trusted key is known by its fingerprint, so that its own self-signatures, which are SHA-1 for several published
/// SUSE keys, need not be judged; a subkey counts only when the primary key's binding is good.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenPgp;

impl Verify for OpenPgp {
    fn verify(&self, signed: &Signed<'_>) -> Result<String, Refusal> {
        let (signature, _) = DetachedSignature::from_reader_single(signed.signature)
            .map_err(|error| Refusal::Unusable(format!("the signature cannot be read: {error}")))?;
        let keys = trusted(signed.blocks, signed.trusted);
        if keys.is_empty() {
            let first = signed.trusted.first().map_or_else(|| "list".to_owned(), |key| key.fingerprint.clone());
            return Err(Refusal::NoKey(first));
        }
        let mut bad = None;
        for key in &keys {
            match judge(&signature, key, signed.message) {
                Some(true) if is_expired(&signature) => {
                    return Err(Refusal::Unusable("the signature has expired".into()));
                }
                Some(true) => return Ok(fingerprint(key)),
                Some(false) => bad = Some(fingerprint(key)),
                None => {}
            }
        }
        Err(bad.map_or_else(|| Refusal::UnknownKey(issuer(&signature)), Refusal::Bad))
    }

    /// Signatures in packages are not read here: where they are all that vouches for a package, it is refused.
    fn verify_package(&self, package: &SignedPackage<'_>) -> Result<(), Refusal> {
        if package.required {
            return Err(Refusal::Unusable("signatures of packages cannot be checked yet".into()));
        }
        Ok(())
    }
}

/// The primary fingerprints in a block of keys.
pub(super) fn fingerprints(block: &[u8]) -> Vec<String> {
    read(block).iter().map(fingerprint).collect()
}

fn read(block: &[u8]) -> Vec<SignedPublicKey> {
    SignedPublicKey::from_reader_many(block).map(|(keys, _)| keys.flatten().collect()).unwrap_or_default()
}

fn trusted(blocks: &[Vec<u8>], trusted: &[Key]) -> Vec<SignedPublicKey> {
    let is_trusted = |key: &SignedPublicKey| {
        let own = fingerprint(key);
        trusted.iter().any(|key| same_fingerprint(&key.fingerprint, &own))
    };
    blocks.iter().flat_map(|block| read(block)).filter(is_trusted).collect()
}

/// Whether two fingerprints are the same; people write them with spaces and in either case.
pub(super) fn same_fingerprint(one: &str, other: &str) -> bool {
    let digits = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
    digits(one) == digits(other)
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

/// Whether the signature is good, if this key or a subkey with a good binding is who made it.
fn judge(signature: &DetachedSignature, key: &SignedPublicKey, message: &[u8]) -> Option<bool> {
    let bound = key.public_subkeys.iter().filter(|subkey| subkey.verify_bindings(&key.primary_key).is_ok());
    let primary = attempt(signature, &key.primary_key, message);
    bound.map(|subkey| attempt(signature, &subkey.key, message)).fold(primary, Option::max)
}

fn attempt(signature: &DetachedSignature, key: &impl VerifyingKey, message: &[u8]) -> Option<bool> {
    is_issuer(signature, key).then(|| signature.verify(key, message).is_ok())
}

fn is_issuer(signature: &DetachedSignature, key: &impl VerifyingKey) -> bool {
    let signature = &signature.signature;
    let (ids, prints) = (signature.issuer_key_id(), signature.issuer_fingerprint());
    (ids.is_empty() && prints.is_empty())
        || ids.iter().any(|id| **id == key.legacy_key_id())
        || prints.iter().any(|print| **print == key.fingerprint())
}

fn issuer(signature: &DetachedSignature) -> String {
    let signature = &signature.signature;
    let print = signature.issuer_fingerprint().first().map(|print| format!("{print:X}"));
    print
        .or_else(|| signature.issuer_key_id().first().map(|id| id.to_string().to_ascii_uppercase()))
        .unwrap_or_else(|| "?".into())
}

fn is_expired(signature: &DetachedSignature) -> bool {
    let signature = &signature.signature;
    let (Some(created), Some(lasts)) = (signature.created(), signature.signature_expiration_time()) else {
        return false;
    };
    let end = u64::from(created.as_secs()) + u64::from(lasts.as_secs());
    lasts.as_secs() != 0 && end < u64::from(Timestamp::now().as_secs())
}
