//! A header's blob, and everything that is read out of one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rowi::rpm::{Header, Package, capabilities, files, header::Limits, scriptlets, triggers};

fuzz_target!(|bytes: &[u8]| {
    // A package file, which rarely has the right digests; then the same bytes as a header alone.
    if let Ok(package) = Package::read(bytes) {
        read(&package.header);
    }
    if let Ok(header) = Header::parse(bytes, "fuzzed header", Limits::MAIN) {
        read(&header);
    }
});

fn read(header: &Header) {
    let _ = (header.label(), header.evr(), header.name(), header.arch());
    for tag in header.tags() {
        let _ = (header.string(tag), header.string_array(tag), header.u32s(tag), header.u64s(tag), header.bin(tag));
    }
    let _ = files::files(header).map(|files| files::link_sets(&files));
    let _ = capabilities::capabilities(header).map(|found| capabilities::sysusers(&found.provides));
    let _ = (triggers::triggers(header), triggers::file_triggers(header), triggers::transaction_file_triggers(header));
    scriptlets::scriptlets(header);
    for index in rowi::rpmdb::index::INDEXES {
        rowi::rpmdb::index::rows(header, index);
    }
}
