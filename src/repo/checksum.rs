//! Checksums as metadata states them.

use std::fmt;

use crate::{
    cache::Digest,
    rpm::digest::{Algorithm, Hasher},
};

/// The functions by the names in metadata. MD5 is not among them: a file that only it vouches for is not checked at
/// all. `sha` is SHA-1 in old repositories: it finds damage, and second preimages of it are not known.
const NAMES: [(&str, Algorithm); 6] = [
    ("sha1", Algorithm::Sha1),
    ("sha", Algorithm::Sha1),
    ("sha224", Algorithm::Sha224),
    ("sha256", Algorithm::Sha256),
    ("sha384", Algorithm::Sha384),
    ("sha512", Algorithm::Sha512),
];

/// A checksum of a certain kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Checksum {
    /// From a type and its hexadecimal digits; nothing when the type is unknown or the digits are not right.
    pub fn parse(algorithm: &str, hex: &str) -> Option<Self> {
        let (_, algorithm) = *NAMES.iter().find(|(name, _)| *name == algorithm)?;
        let hex = hex.trim().to_ascii_lowercase();
        let sound = hex.len() == algorithm.hex_len() && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        sound.then(|| Self { algorithm, hex: hex.into_boxed_str() })
    }

    /// For the bytes that are to have it.
    pub fn hasher(&self) -> Hasher {
        self.algorithm.hasher()
    }

    /// What the hasher of this one has come to.
    #[must_use]
    pub fn found(&self, hasher: Hasher) -> Self {
        Self { algorithm: self.algorithm, hex: hasher.finish().into_boxed_str() }
    }

    /// Lower-case hexadecimal digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// The name under which the cache keeps such a file, if this is a SHA-256.
    pub fn digest(&self) -> Option<Digest> {
        (self.algorithm == Algorithm::Sha256).then(|| self.hex.parse().ok()).flatten()
    }
}

impl From<Digest> for Checksum {
    fn from(digest: Digest) -> Self {
        Self { algorithm: Algorithm::Sha256, hex: digest.to_string().into_boxed_str() }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, algorithm)| *algorithm == self.algorithm).map_or("", |(name, _)| name);
        write!(f, "{name}:{}", self.hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_coreutils() {
        for (name, hex) in [
            ("sha", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"),
            ("sha224", "ea09ae9cc6768c50fcee903ed054556e5bfc8347907f12598aa24193"),
            ("sha256", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"),
        ] {
            let checksum = Checksum::parse(name, hex).unwrap();
            let mut hasher = checksum.hasher();
            hasher.update(b"hel");
            hasher.update(b"lo");
            assert_eq!(checksum.found(hasher), checksum);
        }
    }

    #[test]
    fn what_is_no_checksum_is_refused() {
        for (name, hex) in [("md5", "5d41402abc4b2a76b9719d911017c592"), ("sha256", "2cf2"), ("sha1", "")] {
            assert_eq!(Checksum::parse(name, hex), None);
        }
        assert_eq!(Checksum::parse("sha256", &"z".repeat(64)), None);
    }
}
