//! Package + keys → who signed it, or why that isn't known.
//!
//! A signature over the header is enough when the header holds the payload's digest (all packages since rpm 4.14); older
//! packages need the signature over header and payload. Signatures of versions 3, 4 and 6 with RSA, EdDSA and ECDSA are
//! checked; MD5, RIPEMD-160 and SHA-1 don't count, because two packages with one such digest can be made.
//!
//! A key is trusted because the user gave it: its self-signatures, which several published SUSE keys made with SHA-1,
//! are not judged. A subkey counts only with a good binding by its primary key, the right to sign, and no revocation.
//! A key that was revoked counts for nothing; one that has ended, for what it signed before: see [`Signer::until`].

#[cfg(test)]
mod tests;
mod validity;

use std::io::{self, Read};

use pgp::{
    composed::{Deserializable, DetachedSignature, SignedPublicKey},
    crypto::hash::HashAlgorithm,
    packet::SignatureType,
    types::{KeyDetails, VerifyingKey},
};

pub(crate) use self::validity::may_sign;
use super::{Package, Tag, capabilities::base64, tag};
use crate::units::Epoch;

/// The keys that packages may be signed with.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<SignedPublicKey>,
}

/// Who signed a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// Fingerprint of the primary key, upper-case hexadecimal.
    pub fingerprint: String,
    /// The primary key's first user id.
    pub user: String,
    /// When, in seconds since 1970.
    pub time: Option<u32>,
    /// When the key, or the signature by its own word, ends, in seconds since 1970; for those who ask whether it is good
    /// now.
    pub until: Option<u32>,
}

/// Why a package doesn't count as signed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no signature, or none that covers the payload too.
    #[error("not signed")]
    Unsigned,
    /// Nobody gave the key.
    #[error("signed with key `{issuer}`, which is not among the {known} trusted keys")]
    UnknownKey {
        /// Fingerprint or key id, as the signature says.
        issuer: String,
        /// How many keys there are.
        known: usize,
    },
    /// The bytes aren't those that were signed.
    #[error("the signature by key `{fingerprint}` ({user}) is wrong")]
    Bad {
        /// Of the primary key.
        fingerprint: String,
        /// Its first user id.
        user: String,
    },
    /// The key's owner says that it isn't to be used any more.
    #[error("signed with key `{fingerprint}`, which was revoked")]
    Revoked {
        /// Of the primary key.
        fingerprint: String,
    },
    /// The key had ended when it signed.
    #[error("signed with key `{fingerprint}` ({user}) on {signed}, but it was good until {until}")]
    Expired {
        /// Of the primary key.
        fingerprint: String,
        /// Its first user id.
        user: String,
        /// Date of the signature.
        signed: String,
        /// Date of the key's end.
        until: String,
    },
    /// A digest that anyone can find another package for.
    #[error("the signature by key `{issuer}` is over a {algorithm} digest")]
    Weak {
        /// Fingerprint or key id, as the signature says.
        issuer: String,
        /// The digest's name.
        algorithm: String,
    },
    /// Not OpenPGP, or a kind of it that isn't known here.
    #[error("cannot read {what}: {fault}")]
    Unreadable {
        /// A signature or a file of keys.
        what: String,
        /// What the parser says.
        fault: String,
    },
    /// The payload can't be read.
    #[error("reading the payload")]
    Read(#[from] io::Error),
}

impl Keyring {
    /// Adds the keys of a file, armored (several blocks, with text around them) or binary, and gives the primary keys'
    /// fingerprints. A key that is there already isn't added again. `name` is the file's, for the error.
    ///
    /// # Errors
    /// No key in it can be read.
    pub fn add(&mut self, file: &[u8], name: &str) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        let mut fault = "it holds no public key".to_owned();
        for block in blocks(file) {
            match SignedPublicKey::from_reader_many(block) {
                Ok((keys, _)) => keys.for_each(|key| match key {
                    Ok(key) => found.push(key),
                    Err(error) => fault = error.to_string(),
                }),
                Err(error) => fault = error.to_string(),
            }
        }
        if found.is_empty() {
            return Err(Error::Unreadable { what: format!("keys of `{name}`"), fault });
        }
        let fingerprints = found.iter().map(fingerprint).collect();
        found.retain(|key| !self.keys.contains(key));
        self.keys.extend(found);
        Ok(fingerprints)
    }

    pub(crate) fn keys(&self) -> &[SignedPublicKey] {
        &self.keys
    }

    /// Forgets the keys whose primary fingerprint, in upper-case hexadecimal, is not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.keys.retain(|key| keep(&fingerprint(key)));
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks a detached signature, armored or not, of some data; of several signatures one good one is enough.
    ///
    /// # Errors
    /// Any other outcome.
    pub fn verify_detached(&self, signature: &[u8], data: &[u8]) -> Result<Signer, Error> {
        let signatures = parse(signature)?;
        first_good(signatures.iter().map(|signature| self.check(signature, || Ok(data))))
    }

    /// Checks one signature; `open` gives the signed bytes from their start.
    fn check<R: Read>(&self, signature: &DetachedSignature, open: impl Fn() -> io::Result<R>) -> Result<Signer, Error> {
        if let Some(algorithm) = weak(signature) {
            return Err(Error::Weak { issuer: issuer(signature), algorithm });
        }
        let mut outcome = Error::UnknownKey { issuer: issuer(signature), known: self.keys.len() };
        for key in &self.keys {
            let Some(is_good) = attempt_all(signature, key, &open)? else { continue };
            if !is_good {
                outcome = Error::Bad { fingerprint: fingerprint(key), user: user(key) };
            } else if validity::is_revoked(key) {
                return Err(Error::Revoked { fingerprint: fingerprint(key) });
            } else {
                // Another copy of the key may have been given a longer life.
                match signer(signature, key) {
                    Ok(signer) => return Ok(signer),
                    Err(expired) => outcome = expired,
                }
            }
        }
        Err(outcome)
    }
}

/// The maker of a good signature, if the key, and the subkey that made it, were good at the time.
fn signer(signature: &DetachedSignature, key: &SignedPublicKey) -> Result<Signer, Error> {
    let time = signature.signature.created().map(|time| time.as_secs());
    let subkeys = key.public_subkeys.iter().filter(|subkey| is_issuer(signature, &subkey.key) && may_sign(key, subkey));
    let ends = subkeys.filter_map(validity::subkey_expiry).chain(validity::expiry(key)).min();
    match (time, ends) {
        (Some(signed), Some(until)) if signed > until => {
            let [signed, until] = [signed, until].map(|time| Epoch(time.into()).day());
            Err(Error::Expired { fingerprint: fingerprint(key), user: user(key), signed, until })
        }
        _ => {
            let until = validity::signature_expiry(&signature.signature).into_iter().chain(ends).min();
            Ok(Signer { fingerprint: fingerprint(key), user: user(key), time, until })
        }
    }
}

/// Checks who signed a package. `payload` stands at the payload's start; it is read, to its end, only when the package is
/// so old that the header's signature doesn't cover it.
///
/// # Errors
/// Any other outcome than a good signature over header and payload by a key of the ring.
pub fn verify(package: &Package, mut payload: impl Read, keys: &Keyring) -> Result<Signer, Error> {
    if covers_payload(package) {
        let signatures = header_signatures(package)?;
        return first_good(signatures.iter().map(|signature| keys.check(signature, || Ok(header_reader(package)))));
    }
    let mut signatures = Vec::new();
    for tag in [tag::signature::PGP, tag::signature::GPG] {
        signatures.extend(package.signature.bin(tag).map(parse).transpose()?.into_iter().flatten());
    }
    if signatures.is_empty() {
        return Err(Error::Unsigned);
    }
    let mut rest = Vec::new();
    payload.by_ref().take(MAX_OLD_PAYLOAD).read_to_end(&mut rest)?;
    let open = || Ok(header_reader(package).chain(rest.as_slice()));
    first_good(signatures.iter().map(|signature| keys.check(signature, open)))
}

/// Largest payload of a package without a payload digest: such packages are from before 2017, and all of it is held in
/// memory, because several signatures and keys may have to be tried.
const MAX_OLD_PAYLOAD: u64 = 512 << 20;

/// Whether the header vouches for the payload.
fn covers_payload(package: &Package) -> bool {
    [Tag::PAYLOADSHA256, Tag::PAYLOADSHA512].iter().any(|tag| package.header.has(*tag))
}

fn header_reader(package: &Package) -> impl Read + '_ {
    let [magic, header] = package.header_bytes();
    magic.chain(header)
}

fn header_signatures(package: &Package) -> Result<Vec<DetachedSignature>, Error> {
    let mut signatures = Vec::new();
    for text in package.signature.strings(Tag::OPENPGP).into_iter().flatten() {
        let bytes = std::str::from_utf8(text).ok().and_then(base64);
        let bytes = bytes.ok_or_else(|| unreadable("signature", "it is not base64"))?;
        // A signature of a kind that isn't known may stand beside one that is.
        signatures.extend(parse(&bytes).unwrap_or_default());
    }
    if signatures.is_empty() {
        for tag in [Tag::RSAHEADER, Tag::DSAHEADER] {
            signatures.extend(package.signature.bin(tag).map(parse).transpose()?.into_iter().flatten());
        }
    }
    Ok(signatures)
}

/// The first good outcome, else the last other one.
fn first_good(outcomes: impl Iterator<Item = Result<Signer, Error>>) -> Result<Signer, Error> {
    let mut last = Error::Unsigned;
    for outcome in outcomes {
        match outcome {
            Ok(signer) => return Ok(signer),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn parse(bytes: &[u8]) -> Result<Vec<DetachedSignature>, Error> {
    let (signatures, _) =
        DetachedSignature::from_reader_many(bytes).map_err(|error| unreadable("signature", error.to_string()))?;
    let signatures: Vec<_> =
        signatures.collect::<Result<_, _>>().map_err(|error| unreadable("signature", error.to_string()))?;
    if signatures.is_empty() {
        return Err(unreadable("signature", "it holds none"));
    }
    Ok(signatures)
}

fn unreadable(what: &str, fault: impl Into<String>) -> Error {
    Error::Unreadable { what: what.into(), fault: fault.into() }
}

/// The armored blocks of a file, or all of it when it has none.
fn blocks(file: &[u8]) -> Vec<&[u8]> {
    const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    const END: &[u8] = b"-----END PGP PUBLIC KEY BLOCK-----";
    let find =
        |from: usize, what: &[u8]| file[from..].windows(what.len()).position(|it| it == what).map(|at| from + at);
    let mut blocks = Vec::new();
    let mut at = 0;
    while let Some(start) = find(at, BEGIN) {
        at = find(start, END).map_or(file.len(), |end| end + END.len());
        blocks.push(&file[start..at]);
    }
    if blocks.is_empty() { vec![file] } else { blocks }
}

fn weak(signature: &DetachedSignature) -> Option<String> {
    let algorithm = signature.signature.hash_alg()?;
    matches!(algorithm, HashAlgorithm::Md5 | HashAlgorithm::Ripemd160 | HashAlgorithm::Sha1)
        .then(|| algorithm.to_string())
}

/// Whether the signature is good, if this key or one of its subkeys is said to have made it.
fn attempt_all<R: Read>(
    signature: &DetachedSignature,
    key: &SignedPublicKey,
    open: impl Fn() -> io::Result<R>,
) -> io::Result<Option<bool>> {
    let mut outcome = attempt(signature, &key.primary_key, &open)?;
    for subkey in &key.public_subkeys {
        if is_issuer(signature, &subkey.key) && may_sign(key, subkey) {
            outcome = outcome.max(attempt(signature, &subkey.key, &open)?);
        }
    }
    Ok(outcome)
}

fn attempt<R: Read>(
    signature: &DetachedSignature,
    key: &impl VerifyingKey,
    open: impl Fn() -> io::Result<R>,
) -> io::Result<Option<bool>> {
    if !is_issuer(signature, key) || signature.signature.typ() != Some(SignatureType::Binary) {
        return Ok(None);
    }
    Ok(Some(signature.signature.verify(key, open()?).is_ok()))
}

fn is_issuer(signature: &DetachedSignature, key: &impl KeyDetails) -> bool {
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
        .unwrap_or_else(|| "unnamed".into())
}

fn fingerprint(key: &impl KeyDetails) -> String {
    format!("{:X}", key.fingerprint())
}

fn user(key: &SignedPublicKey) -> String {
    let user = key.details.users.first().map(|user| String::from_utf8_lossy(user.id.id()).into_owned());
    user.unwrap_or_else(|| "no user id".into())
}

impl crate::report::Explain for Error {
    fn exit(&self) -> crate::report::Exit {
        crate::report::Exit::Build
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnknownKey { issuer, .. } => {
                vec![format!("if `{issuer}` is the repository's key, add its file to the repository's `keys`")]
            }
            _ => Vec::new(),
        }
    }
}
