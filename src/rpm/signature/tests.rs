//! Verdicts on the corpus compared with rpm's.

use std::io::{BufReader, Seek, SeekFrom};

use super::*;
use crate::rpm::tests::corpus;

/// Every key of the corpus.
fn keyring(corpus: &std::path::Path) -> Keyring {
    let index = fs_err::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut keys = Keyring::default();
    for path in index.lines().filter_map(|row| row.split('\t').next()).filter(|path| !path.starts_with("broken/")) {
        let is_key = [".asc", ".key", ".pub", ".gpg"].iter().any(|end| path.ends_with(end)) || path.contains("GPG-KEY");
        if is_key && let Ok(bytes) = fs_err::read(corpus.join(path)) {
            let _ = keys.add(&bytes, path);
        }
    }
    keys
}

#[test]
fn packages_are_judged_as_rpm_judges_them() {
    let Some(corpus) = corpus() else { return };
    let keys = keyring(&corpus);
    let index = fs_err::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let (mut good, mut unsigned, mut weak) = (0, 0, 0);
    let mut wrong = Vec::new();
    for row in index.lines() {
        let columns: Vec<&str> = row.split('\t').collect();
        let verdict = columns.get(8).copied().unwrap_or_default();
        let is_package = columns[0].ends_with(".rpm") && !columns[4].starts_with("symlink");
        if !is_package || columns[0].starts_with("broken/") || !verdict.contains("sig(rpm6)=") {
            continue;
        }
        let mut file = BufReader::new(fs_err::File::open(corpus.join(columns[0])).unwrap());
        let Ok(package) = Package::read(&mut file) else { continue };
        file.seek(SeekFrom::Start(package.payload_offset)).unwrap();
        match (verify(&package, file, &keys), verdict) {
            (Ok(_), verdict) if verdict.contains("sigOK") => good += 1,
            (Err(Error::Unsigned), verdict) if verdict.contains("sig(rpm6)=none") => unsigned += 1,
            (Err(Error::Weak { .. }), _) => weak += 1,
            // The judges had more keys than the corpus holds.
            (Err(Error::UnknownKey { .. }), verdict) if !verdict.contains("=none") => {}
            (Err(_), verdict) if !verdict.contains("sigOK") && !verdict.contains("=none") => {}
            (Ok(_), verdict) if verdict.contains("NOKEY") || verdict.contains("NOTTRUSTED") => good += 1,
            (outcome, _) => wrong.push(format!("{}: {outcome:?}; {verdict}; {}", columns[0], columns[6])),
        }
    }
    assert!(wrong.is_empty(), "{good} good, {unsigned} unsigned, {weak} weak, but\n{}", wrong.join("\n"));
    assert!(good > 20 && unsigned > 200, "{good} good, {unsigned} unsigned, {weak} weak");
}

#[test]
fn only_trusted_keys_count() {
    let Some(corpus) = corpus() else { return };
    let folder = corpus.join("repodata/repos/xlibre-tumbleweed");
    let file = fs_err::read(folder.join("outtathebox5319-rpm-signing-key.asc")).unwrap();
    let package = folder.join("x86_64/x11-xlibre-meta-25.1.1-1.1.noarch.rpm");
    let package = crate::rpm::tests::read(&package).unwrap();
    let mut keys = Keyring::default();
    assert!(matches!(verify(&package, io::empty(), &keys), Err(Error::UnknownKey { .. })));
    let prints = keys.add(&file, "key").unwrap();
    assert_eq!(prints, keys.add(&file, "key again").unwrap());
    assert_eq!((keys.len(), prints.len()), (1, 1));
    assert_eq!(verify(&package, io::empty(), &keys).unwrap().fingerprint, prints[0]);

    let repomd = ["repomd.xml", "repomd.xml.asc"].map(|name| fs_err::read(folder.join("repodata").join(name)).unwrap());
    assert_eq!(keys.verify_detached(&repomd[1], &repomd[0]).unwrap().fingerprint, prints[0]);
    assert!(matches!(keys.verify_detached(&repomd[1], b"other"), Err(Error::Bad { .. })));
    keys.retain(|print| print != prints[0]);
    assert!(keys.is_empty());
}

/// Keys that gpg made, and what they signed (`tests/fixtures/signatures/make`).
#[test]
fn a_key_is_judged_at_the_time_of_its_signature() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/signatures");
    let read = |name: &str| fs_err::read(folder.join(name)).unwrap();
    let judge = |key: &str, signature: &str| {
        let mut keys = Keyring::default();
        keys.add(&read(&format!("{key}.asc")), key).unwrap();
        keys.verify_detached(&read(&format!("{signature}.sig")), &read("message"))
    };
    const END_OF_2020: u32 = 1_609_416_000; // 2020-12-31 12:00 UTC
    const END_OF_2030: u32 = END_OF_2020 + 315_532_800;
    for (key, signature, until) in [
        ("rsa2048", "rsa2048", None),
        ("ed25519", "ed25519", None),
        ("nistp256", "nistp256", None),
        ("expired", "expired-before", Some(END_OF_2020)),
        ("renewed", "renewed", Some(END_OF_2030)),
        ("subkey", "subkey-before", Some(END_OF_2020)),
        ("brief", "brief", Some(END_OF_2020)),
    ] {
        let signer = judge(key, signature).unwrap_or_else(|error| panic!("{signature}: {error}"));
        assert_eq!((signer.user.split(' ').next(), signer.until), (Some(key), until), "{signature}");
    }
    for (key, signature) in [("expired", "expired-after"), ("subkey", "subkey-after")] {
        let error = judge(key, signature).unwrap_err();
        assert!(error.to_string().ends_with("on 2021-06-01, but it was good until 2020-12-31"), "{signature}: {error}");
    }
    assert!(matches!(judge("revoked", "revoked"), Err(Error::Revoked { .. })));
    assert!(matches!(judge("ed25519", "rsa2048"), Err(Error::UnknownKey { .. })));
}

/// rpm's own broken keys (CVE-2021-3521): a subkey that its primary key did not bind, or took back, signs nothing.
#[test]
fn subkeys_without_a_good_binding_sign_nothing() {
    let Some(corpus) = corpus() else { return };
    // Unbound subkeys are not even taken in; the revoked one is, and stays silent.
    for (name, subkeys) in
        [("CVE-2021-3521-badbind", &[][..]), ("CVE-2021-3521-nosubsig-last", &[]), ("alice-revoked-subkey", &[false])]
    {
        let mut keys = Keyring::default();
        let file = fs_err::read(corpus.join("broken/rpm-keys").join(name).with_extension("asc")).unwrap();
        keys.add(&file, name).unwrap();
        let key = &keys.keys()[0];
        let found: Vec<_> = key.public_subkeys.iter().map(|subkey| may_sign(key, subkey)).collect();
        assert_eq!(found, subkeys, "{name}");
    }
}
