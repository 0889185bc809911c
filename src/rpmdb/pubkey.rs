//! Trusted keys → the `gpg-pubkey` packages that `rpm --import` makes of them.
//!
//! Source: rpm 4.20, `lib/rpmts.c`, `makePubkeyHeader`; compared with what 4.18 writes. rpm 6 names them by fingerprint but
//! reads these, too.

use pgp::{
    composed::{ArmorOptions, SignedPublicKey},
    types::KeyDetails,
};

use super::{Error, Result};
use crate::{
    rpm::{
        Header, Tag, Value,
        capabilities::Sense,
        digest::Algorithm,
        header::MAGIC,
        signature::{Keyring, may_sign},
    },
    units::Epoch,
};

/// `RPMSENSE_KEYRING`: a capability that a key provides.
const KEYRING: u32 = 1 << 26;

/// The rpm that imports a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Importer {
    /// Its version, as in `RPMVERSION`: `4.20.1`.
    pub version: String,
    /// Whether it was built with rpm-sequoia, whose armor does not name rpm's version (`pgpArmorWrap`, rpm-sequoia 1.8;
    /// rpm's own parser, until 4.20 and as rpmpgp_legacy, does).
    pub sequoia: bool,
}

/// The headers of all keys of a ring, as imported at an epoch.
///
/// # Errors
/// A key that can't be written as OpenPGP packets again.
pub fn headers(keys: &Keyring, epoch: Epoch, importer: &Importer) -> Result<Vec<Header>> {
    keys.keys().iter().map(|key| header(key, epoch, importer)).collect()
}

fn header(key: &SignedPublicKey, epoch: Epoch, importer: &Importer) -> Result<Header> {
    let refused = |source| Error::Key { fingerprint: format!("{:X}", key.fingerprint()), source };
    let armored = armored(key, importer).map_err(|error| refused(error.into()))?;
    let sealed = Header::build(&entries(key, &armored, &importer.version)).map_err(|error| refused(error.into()))?;
    let digest = |algorithm: Algorithm| Value::String(algorithm.hex([&MAGIC[..], sealed.blob()]).into_bytes());
    let seconds = Value::Int32(vec![u32::try_from(epoch.0.max(0)).unwrap_or(u32::MAX)]);
    let added = [
        (Tag::SHA1HEADER, digest(Algorithm::Sha1)),
        (Tag::SHA256HEADER, digest(Algorithm::Sha256)),
        (Tag::INSTALLTIME, seconds.clone()),
        (Tag::INSTALLTID, seconds),
    ];
    sealed.with(&added).map_err(|error| refused(error.into()))
}

fn entries(key: &SignedPublicKey, armored: &str, rpm_version: &str) -> Vec<(Tag, Value)> {
    let text = |text: &str| Value::String(text.into());
    let translated = |text: &str| Value::I18nString(text.into());
    let user = key.details.users.first().map(|user| String::from_utf8_lossy(user.id.id()).into_owned());
    let user = user.unwrap_or_else(|| "none".into());
    let (id, time) = (id(key), key.created_at().as_secs());
    let provides = provides(key, &user);
    let column = |of: fn(&(String, String)) -> &String| {
        Value::StringArray(provides.iter().map(|provide| of(provide).clone().into_bytes()).collect())
    };
    vec![
        (Tag::PUBKEYS, Value::StringArray(vec![body(armored).into_bytes()])),
        (Tag::NAME, text("gpg-pubkey")),
        (Tag::VERSION, text(&id[8..])),
        (Tag::RELEASE, text(&format!("{time:x}"))),
        (Tag::SUMMARY, translated(&format!("{user} public key"))),
        (Tag::DESCRIPTION, translated(armored)),
        (Tag::BUILDTIME, Value::Int32(vec![time])),
        (Tag::BUILDHOST, text("localhost")),
        (Tag::SIZE, Value::Int32(vec![0])),
        (Tag::LICENSE, text("pubkey")),
        (Tag::PACKAGER, text(&user)),
        (Tag::GROUP, translated("Public Keys")),
        (Tag::SOURCERPM, text("(none)")),
        (Tag::PROVIDENAME, column(|(name, _)| name)),
        (Tag::RPMVERSION, text(rpm_version)),
        (Tag::PROVIDEFLAGS, Value::Int32(vec![KEYRING | Sense::EQUAL; provides.len()])),
        (Tag::PROVIDEVERSION, column(|(_, version)| version)),
    ]
}

/// `gpg(…)` by user and by ids of the key and of the subkeys that may sign, with versions.
fn provides(key: &SignedPublicKey, user: &str) -> Vec<(String, String)> {
    let version =
        |key: &dyn KeyDetails| format!("{}:{}-{:x}", u8::from(key.version()), id(key), key.created_at().as_secs());
    let mut provides = vec![(format!("gpg({user})"), version(key))];
    let subkeys = key.public_subkeys.iter().filter(|subkey| may_sign(key, subkey));
    let subkeys = subkeys.map(|subkey| &subkey.key as &dyn KeyDetails);
    for key in std::iter::once(key as &dyn KeyDetails).chain(subkeys) {
        let id = id(key);
        provides.push((format!("gpg({})", &id[8..]), version(key)));
        provides.push((format!("gpg({id})"), version(key)));
    }
    provides
}

/// Sixteen lower-case hexadecimal digits.
fn id(key: &dyn KeyDetails) -> String {
    key.legacy_key_id().to_string().to_ascii_lowercase()
}

/// Armored as rpm does it.
fn armored(key: &SignedPublicKey, importer: &Importer) -> pgp::errors::Result<String> {
    let named = [("Version".to_owned(), vec![format!("rpm-{}", importer.version)])].into();
    let headers = (!importer.sequoia).then_some(&named);
    key.to_armored_string(ArmorOptions { headers, include_checksum: true })
}

/// The base64 of an armored block in its lines, without its checksum.
fn body(armored: &str) -> String {
    let after_headers = armored.split_once("\n\n").map_or("", |(_, body)| body);
    after_headers.split_inclusive('\n').take_while(|line| !line.starts_with(['=', '-'])).collect()
}
