//! 4. How it will be done: [`Plan`], plain data that every later stage reads and nothing else.
//!
//! Making a plan does no I/O: the same profile, lock and inputs give the same plan, byte for byte. What only the
//! tree can decide (sizes, numeric ids, the kernel's version) is a rule that a later stage applies.

pub mod layout;
mod make;
mod model;

pub use make::{Contents, Options, canonical, plan};
pub use model::*;

use sha2::{Digest, Sha256};

impl Seed {
    /// A UUID of version 8 for `name`: the same for the same seed and name, unlike any other.
    ///
    /// `SHA-256(seed ‖ "/" ‖ name)`, first 16 bytes, version and variant as RFC 9562 section 5.8 sets them.
    pub fn uuid(&self, name: &str) -> [u8; 16] {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&self.bytes(name)[..16]);
        uuid[6] = uuid[6] & 0x0f | 0x80;
        uuid[8] = uuid[8] & 0x3f | 0x80;
        uuid
    }

    /// 32 bytes for `name`, for serial numbers and salts.
    pub fn bytes(&self, name: &str) -> [u8; 32] {
        Sha256::new().chain_update(&self.0).chain_update("/").chain_update(name).finalize().into()
    }
}

/// A UUID as text: `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
pub fn uuid_text(uuid: &[u8; 16]) -> String {
    let hex: String = uuid.iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

#[cfg(test)]
mod goldens;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_version_8_and_differ_by_name() {
        let seed = Seed("00".into());
        let text = uuid_text(&seed.uuid("root"));
        assert_eq!((text.len(), &text[14..15]), (36, "8"));
        assert_ne!(seed.uuid("root"), seed.uuid("esp"));
        assert_eq!(seed.uuid("root"), seed.uuid("root"));
    }
}
