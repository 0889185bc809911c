//! What a key's owner says of it: how long it is good, that it was revoked, which subkeys may sign.
//!
//! A key is judged at the time of the signature, so that what was good when it was made stays good: a lock of years ago
//! still builds. Whether it is good *now* is for those to ask who fetch something now; [`expiry`] tells them.

use pgp::{
    composed::{SignedPublicKey, SignedPublicSubKey},
    packet::{Signature, SignatureType},
    types::{KeyDetails, Tag},
};

/// When a primary key ends, in seconds since 1970; nothing when it doesn't.
///
/// The newest self-signature says so. One that isn't really by the key doesn't count: anyone could have added it.
pub(super) fn expiry(key: &SignedPublicKey) -> Option<u32> {
    let by_user = key.details.users.iter().flat_map(|user| {
        let is_own = |it: &&Signature| it.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok();
        user.signatures.iter().filter(is_own)
    });
    let direct = key.details.direct_signatures.iter().filter(|it| it.verify_key(&key.primary_key).is_ok());
    newest_end(by_user.chain(direct), key)
}

/// The same of a subkey, by its newest binding; [`may_sign`] has looked at the bindings.
pub(super) fn subkey_expiry(subkey: &SignedPublicSubKey) -> Option<u32> {
    newest_end(subkey.signatures.iter(), &subkey.key)
}

/// When a key ends by the newest of its signatures.
fn newest_end<'a>(signatures: impl Iterator<Item = &'a Signature>, key: &impl KeyDetails) -> Option<u32> {
    let newest = signatures.max_by_key(|it| it.created().map(|time| time.as_secs()))?;
    let lasts = newest.key_expiration_time().map(|lasts| lasts.as_secs()).filter(|lasts| *lasts != 0)?;
    Some(key.created_at().as_secs().saturating_add(lasts))
}

/// When a signature ends by its own word.
pub(super) fn signature_expiry(signature: &Signature) -> Option<u32> {
    let lasts = signature.signature_expiration_time().map(|lasts| lasts.as_secs()).filter(|lasts| *lasts != 0)?;
    Some(signature.created()?.as_secs().saturating_add(lasts))
}

/// Whether a subkey is bound to its primary key, has the right to sign, and wasn't revoked.
pub(crate) fn may_sign(key: &SignedPublicKey, subkey: &SignedPublicSubKey) -> bool {
    let is_revocation = |it: &Signature| it.typ() == Some(SignatureType::SubkeyRevocation);
    subkey.verify_bindings(&key.primary_key).is_ok()
        && !subkey.signatures.iter().any(is_revocation)
        && subkey.signatures.iter().any(|binding| binding.key_flags().sign())
}

/// Whether the owner revoked the primary key.
pub(super) fn is_revoked(key: &SignedPublicKey) -> bool {
    key.details.revocation_signatures.iter().any(|revocation| revocation.verify_key(&key.primary_key).is_ok())
}
