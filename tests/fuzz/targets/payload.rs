//! The payload of a package whose headers are given.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use rowi::rpm::{FileEntry, Package, files, payload};

static PACKAGE: LazyLock<(Package, Vec<FileEntry>)> = LazyLock::new(|| {
    let package = Package::read(&include_bytes!("../seeds/package.rpm")[..]).expect("the seed is a package");
    let files = files::files(&package.header).expect("with files");
    (package, files)
});

fuzz_target!(|bytes: &[u8]| {
    let (package, files) = &*PACKAGE;
    let _ = payload::verify(bytes, package);
    // And without looking at contents, whose digests are seldom right.
    let Ok(mut reader) = payload::Reader::new(bytes, package, files) else { return };
    while let Ok(Some(_)) = reader.next() {}
});
