//! All payloads of the corpus, and what flipped bytes do to them.

use std::io::{BufReader, Cursor, Seek, SeekFrom};

use proptest::prelude::*;

use super::*;
use crate::rpm::tests::{corpus, packages};

#[test]
fn payloads_are_as_their_headers_say() {
    let Some(corpus) = corpus() else { return };
    let mut verified = 0;
    let mut faults = Vec::new();
    for path in packages(&corpus.join("rpms")) {
        let mut file = BufReader::new(fs_err::File::open(&path).unwrap());
        let Ok(package) = Package::read(&mut file) else { continue };
        file.seek(SeekFrom::Start(package.payload_offset)).unwrap();
        match verify(file, &package) {
            Ok(()) => verified += 1,
            Err(fault) => faults.push(format!("{}: {fault}", path.display())),
        }
    }
    assert!(faults.is_empty(), "{verified} good, but\n{}", faults.join("\n"));
    assert!(verified > 300, "{verified}");
}

#[test]
fn what_rpm_calls_broken_is_an_error() {
    let Some(corpus) = corpus() else { return };
    let index = fs_err::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut refused = 0;
    for row in index.lines().filter(|row| row.starts_with("broken/")) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (path, verdict) = (columns[0], columns.get(8).copied().unwrap_or_default());
        let Ok(bytes) = fs_err::read(corpus.join(path)) else { continue };
        let outcome = read_all(&bytes);
        if path.ends_with(".rpm") && (verdict.contains("fail") || verdict.contains("BADdigest")) {
            assert!(outcome.is_err(), "{path}: {verdict}");
            refused += 1;
        }
    }
    assert!(refused > 40, "{refused}");
}

/// A small package of each compression.
fn samples() -> Vec<Vec<u8>> {
    let Some(corpus) = corpus() else { return Vec::new() };
    let names = ["w.ufdio", "w3.zstdio", "w6.lzdio", "w6.xzdio", "w9.bzdio", "w9.gzdio"];
    let paths = names.map(|name| format!("rpms/go-rpmutils/payload-test-0.1-{name}.x86_64.rpm"));
    paths.iter().map(|path| fs_err::read(corpus.join(path)).unwrap()).collect()
}

fn read_all(bytes: &[u8]) -> Result<()> {
    let mut file = Cursor::new(bytes);
    let package = Package::read(&mut file)?;
    let header = &package.header;
    crate::rpm::capabilities::capabilities(header)?;
    crate::rpm::triggers::file_triggers(header)?;
    crate::rpm::scriptlets::scriptlets(header);
    verify(file, &package)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn damaged_packages_are_errors_and_never_panics(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        for sample in samples() {
            let mut damaged = sample.clone();
            for (at, mask) in &flips {
                let at = at.index(damaged.len());
                damaged[at] ^= mask;
            }
            let _ = read_all(&damaged);
            damaged.truncate(cut.index(sample.len()));
            let _ = read_all(&damaged);
        }
    }

    /// Behind right digests: the header's own rules have to hold.
    #[test]
    fn damaged_headers_never_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
    ) {
        use crate::rpm::{Header, header::Limits};
        for sample in samples() {
            let header = Package::read(Cursor::new(&sample)).unwrap().header;
            let mut blob = header.blob().to_vec();
            for (at, mask) in &flips {
                let at = at.index(blob.len());
                blob[at] ^= mask;
            }
            let Ok(header) = Header::parse(blob, "header", Limits::MAIN) else { continue };
            let _ = files::files(&header);
            let _ = crate::rpm::capabilities::capabilities(&header);
            let _ = crate::rpm::triggers::triggers(&header);
            let _ = header.with(&[(Tag::INSTALLTIME, crate::rpm::Value::Int32(vec![1]))]);
            let _ = header.label();
        }
    }
}
