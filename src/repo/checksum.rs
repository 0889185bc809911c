//! Checksums as metadata states them.

use std::fmt;

use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use crate::cache::Digest;

/// The functions that rpm-md names. MD5 is not among them: a file that only it vouches for is not checked at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// `sha` or `sha1`: old repositories; finds damage, and second preimages of it are not known.
    Sha1,
    /// `sha224`.
    Sha224,
    /// `sha256`: what all current tools write.
    Sha256,
    /// `sha384`.
    Sha384,
    /// `sha512`.
    Sha512,
}

impl Algorithm {
    /// From the `type` attribute.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "sha" | "sha1" => Self::Sha1,
            "sha224" => Self::Sha224,
            "sha256" => Self::Sha256,
            "sha384" => Self::Sha384,
            "sha512" => Self::Sha512,
            _ => return None,
        })
    }

    /// The name in metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Sha1 => 40,
            Self::Sha224 => 56,
            Self::Sha256 => 64,
            Self::Sha384 => 96,
            Self::Sha512 => 128,
        }
    }

    /// A running checksum.
    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha1 => Hasher::Sha1(sha1::Sha1::new()),
            Self::Sha224 => Hasher::Sha224(Sha224::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
            Self::Sha384 => Hasher::Sha384(Sha384::new()),
            Self::Sha512 => Hasher::Sha512(Sha512::new()),
        }
    }
}

/// A checksum that is being computed.
#[derive(Clone, Debug)]
pub enum Hasher {
    /// See [`Algorithm::Sha1`].
    Sha1(sha1::Sha1),
    /// See [`Algorithm::Sha224`].
    Sha224(Sha224),
    /// See [`Algorithm::Sha256`].
    Sha256(Sha256),
    /// See [`Algorithm::Sha384`].
    Sha384(Sha384),
    /// See [`Algorithm::Sha512`].
    Sha512(Sha512),
}

impl Hasher {
    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha224(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The checksum.
    pub fn finish(self) -> Checksum {
        let (algorithm, bytes) = match self {
            Self::Sha1(hasher) => (Algorithm::Sha1, hasher.finalize().to_vec()),
            Self::Sha224(hasher) => (Algorithm::Sha224, hasher.finalize().to_vec()),
            Self::Sha256(hasher) => (Algorithm::Sha256, hasher.finalize().to_vec()),
            Self::Sha384(hasher) => (Algorithm::Sha384, hasher.finalize().to_vec()),
            Self::Sha512(hasher) => (Algorithm::Sha512, hasher.finalize().to_vec()),
        };
        let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        Checksum { algorithm, hex: hex.into_boxed_str() }
    }
}

/// A checksum of a certain kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Checksum {
    algorithm: Algorithm,
    hex: Box<str>,
}

impl Checksum {
    /// From a type and its hexadecimal digits; nothing when the type is unknown or the digits are not right.
    pub fn parse(algorithm: &str, hex: &str) -> Option<Self> {
        let algorithm = Algorithm::from_name(algorithm)?;
        let hex = hex.trim().to_ascii_lowercase();
        let sound = hex.len() == algorithm.digits() && hex.bytes().all(|digit| digit.is_ascii_hexdigit());
        sound.then(|| Self { algorithm, hex: hex.into_boxed_str() })
    }

    /// Its function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
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
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
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
            let mut hasher = checksum.algorithm().hasher();
            hasher.update(b"hel");
            hasher.update(b"lo");
            assert_eq!(hasher.finish(), checksum);
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
