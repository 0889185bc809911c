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
