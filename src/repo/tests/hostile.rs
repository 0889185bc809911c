//! Bytes that no repository should have: everything ends in an error or a value, and soon.

use proptest::prelude::*;

use super::*;

const PRIMARY: &str = "<?xml version='1.0'?><metadata xmlns:rpm='r' packages='1'><package type='rpm'><name>a</name>\
    <arch>noarch</arch><version epoch='1' ver='2' rel='3'/><checksum type='sha256'>\
    2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824</checksum><time build='9'/><size package='7'/>\
    <location href='a.rpm'/><format><rpm:requires><rpm:entry name='(b if c)' flags='GE' ver='1'/></rpm:requires>\
    <file>/usr/bin/a</file></format></package></metadata>";

const REPOMD: &str = "<repomd><revision>1</revision><data type='primary'><checksum type='sha256'>\
    2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824</checksum><location href='p'/><size>1</size>\
    <timestamp>5</timestamp></data></repomd>";

/// A document with some bytes replaced, removed or repeated.
fn spoilt(text: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let edit = (0..text.len(), 0..text.len(), any::<u8>(), 0..3_u8);
    proptest::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut bytes = text.as_bytes().to_vec();
        for (at, other, byte, how) in edits {
            let (at, other) = (at % bytes.len().max(1), other % bytes.len().max(1));
            match how {
                0 if !bytes.is_empty() => bytes[at] = byte,
                1 => drop(bytes.drain(at.min(other)..at.max(other))),
                _ => {
                    let part = bytes[at.min(other)..at.max(other)].to_vec();
                    bytes.splice(at..at, part);
                }
            }
        }
        bytes
    })
}

proptest! {
    #[test]
    fn spoilt_metadata_never_panics(primary in spoilt(PRIMARY), repomd in spoilt(REPOMD)) {
        if let Ok((words, packages)) = primary::parse(primary.as_slice()) {
            for package in packages {
                prop_assert!(!words.get(package.name).is_empty() && !words.get(package.evr).is_empty());
            }
        }
        let _ = repomd::Repomd::parse(&repomd);
        let _ = filelists::find(primary.as_slice(), &["/usr/bin/a"]);
    }

    #[test]
    fn any_bytes_unpack_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0..5_usize) {
        let magic: [&[u8]; 5] = [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh9", b""];
        let packed = [magic[kind], &bytes].concat();
        if let Ok(mut plain) = crate::unpack::unpack(packed.as_slice(), 1000) {
            let _ = std::io::copy(&mut plain, &mut std::io::sink());
        }
    }

    #[test]
    fn addresses_never_leave_their_kind(text in "\\PC{0,40}", base in "[a-z/.%]{0,12}") {
        let web = crate::web::WebAddress::parse("https://host/repo/").unwrap();
        if let Some(target) = web.redirect(&text) {
            prop_assert!(target.to_string().starts_with("https://"));
        }
        let _ = address::Address::parse("r", &format!("dir:{base}"));
        if let Some(path) = address::below(Path::new("/srv"), &text) {
            prop_assert!(path.starts_with("/srv") && !path.to_string_lossy().contains("/../"));
        }
    }

    #[test]
    fn signatures_and_keys_may_be_anything(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let keys = [Key { fingerprint: "AB".into(), fetch: String::new() }];
        let listed = [Key { fingerprint: FINGERPRINT.into(), fetch: String::new() }];
        let blocks = [bytes.clone()];
        prop_assert!(keyring::Trust::new(&blocks, &keys).verify(b"x", &bytes, None).is_err());
        prop_assert!(keyring::Trust::new(&[fixture("key.asc")], &listed).verify(b"x", &bytes, None).is_err());
    }
}

/// What its reader says of a file; nothing where rowi never reads such a file.
fn verdict(path: &Path, bytes: &[u8]) -> Option<Result<String, xml::Error>> {
    let name = path.file_name()?.to_str()?;
    Some(match name {
        _ if name.contains("filelists") => filelists::find(bytes, &["/usr/bin/super_kernel"])
            .map(|found| found.iter().map(|(pkgid, path)| format!("{pkgid:.7} {path}")).collect()),
        _ if name.contains("primary") => {
            primary::parse(bytes).map(|(_, packages)| format!("{} packages", packages.len()))
        }
        "repomd.xml" | "repomd.xml_bad" => {
            repomd::Repomd::parse(bytes).map(|repomd| format!("revision {}", repomd.revision))
        }
        _ if name.ends_with(".zck") => crate::unpack::unpack(bytes, 1 << 20)
            .and_then(|mut plain| std::io::copy(&mut plain, &mut std::io::sink()))
            .map(|length| format!("{length} bytes"))
            .map_err(xml::Error::from),
        _ => return None,
    })
}

/// Every broken metadata file of the corpus that is of a kind that rowi reads: the reason for which it is refused, or
/// what is read of it. Unknown elements and file types are passed over, as `createrepo_c` does with a warning; modules,
/// by which dnf5 and librepo call theirs broken, are not read.
#[test]
fn real_broken_metadata_is_refused_with_its_reason_or_read() {
    let Some(corpus) = corpus() else { return };
    let index = fs_err::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let mut table = Vec::new();
    for path in index.lines().filter_map(|row| row.split('\t').next()).filter(|path| path.starts_with("broken/")) {
        let Ok(bytes) = fs_err::read(corpus.join(path)) else { continue };
        match verdict(Path::new(path), &bytes) {
            Some(Ok(read)) => table.push(format!("{path}: {read}")),
            Some(Err(error)) => {
                let chain = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
                table.push(format!("{path}: {}", chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")));
            }
            None => {}
        }
    }
    table.sort();
    insta::assert_snapshot!(table.join("\n"), @"
    broken/createrepo_c/bad_file_type-filelists.xml: 6d43a63 /usr/bin/super_kernel
    broken/createrepo_c/error_00-filelists.xml: a package of the file list has no `pkgid`
    broken/createrepo_c/no_pkgid-filelists.xml: a package of the file list has no `pkgid`
    broken/createrepo_c/repo_02_different_order_filelists.xml: 6d43a63 /usr/bin/super_kernel
    broken/createrepo_c/unknown_element_00-filelists.xml: 6d43a63 /usr/bin/super_kernel
    broken/createrepo_c/unknown_element_01-filelists.xml: 6d43a63 /usr/bin/super_kernel
    broken/createrepo_c/unknown_element_01-primary.xml: 2 packages
    broken/createrepo_c/unknown_element_02-filelists.xml: 6d43a63 /usr/bin/super_kernel
    broken/createrepo_c/unknown_element_02-primary.xml: package `` has no name
    broken/dnf5/test/data/repos-repomd/repomd-modules-broken-defaults/repodata/repomd.xml: revision 1550000000
    broken/librepo/tests/test_data/repo_yum_01/repodata/repomd.xml_bad: revision 1359079470
    broken/zchunk/LICENSE.header.new.nodict.fodt.zck: cannot unpack: zchunk is not supported
    broken/zchunk/LICENSE.nodict.fodt.zck: cannot unpack: zchunk is not supported
    broken/zchunk/compressed_int_too_large2.zck: cannot unpack: zchunk is not supported
    broken/zchunk/compressed_int_too_large3.zck: cannot unpack: zchunk is not supported
    broken/zchunk/compressed_int_too_large5.zck: cannot unpack: zchunk is not supported
    broken/zchunk/empty.optelems.zck: cannot unpack: zchunk is not supported
    broken/zchunk/integer_overflow_header.zck: cannot unpack: zchunk is not supported
    ");
}
