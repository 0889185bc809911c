//! Every package of the corpus against what rpm 6.0.2 and 4.18 said of it.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use serde_json::Value as Json;

use super::{header::Type, *};

/// The corpus, or nothing (said aloud, and a failure where tools are required).
#[expect(clippy::print_stderr, reason = "a skipped test is seen")]
pub(crate) fn corpus() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    if !path.is_dir() {
        assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "there is no ../shared/corpus");
        eprintln!("skipped: there is no ../shared/corpus");
        return None;
    }
    Some(path)
}

/// All packages below a folder.
pub(crate) fn packages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|it| it == "rpm") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn read(path: &Path) -> Result<Package> {
    Package::read(BufReader::new(fs_err::File::open(path).unwrap()))
}

/// Headers as rpm 6.0.2 dumped them, by path in the corpus.
fn oracle(corpus: &Path) -> BTreeMap<String, Json> {
    let file = fs_err::File::open(corpus.join("rpms/_oracle/rpm-6.0.2-qp-json.dev.jsonl.zst")).unwrap();
    let lines = BufReader::new(zstd::Decoder::new(file).unwrap()).lines();
    lines
        .map(|line| {
            let mut line: Json = serde_json::from_str(&line.unwrap()).unwrap();
            (line["path"].as_str().unwrap().to_owned(), line["header"].take())
        })
        .collect()
}

/// An entry in the shape of rpm's JSON: a single value stands for itself; binary data isn't compared.
fn json(header: &Header, tag: Tag) -> Option<Json> {
    let entry = header.entry(tag)?;
    let values: Vec<Json> = match entry.kind {
        Type::Bin | Type::Char | Type::Int8 => return None,
        Type::Int16 => header.u16s(tag)?.into_iter().map(Json::from).collect(),
        Type::Int32 | Type::Int64 => header.u64s(tag)?.into_iter().map(Json::from).collect(),
        Type::String | Type::StringArray | Type::I18nString => {
            header.string_array(tag).into_iter().map(Json::from).collect()
        }
    };
    Some(if values.len() == 1 { values.into_iter().next()? } else { Json::Array(values) })
}

#[test]
fn headers_are_what_rpm_reads() {
    let Some(corpus) = corpus() else { return };
    let (mut compared, mut entries) = (0, 0);
    for (path, expected) in oracle(&corpus) {
        // The corpus holds links as small text files.
        let is_link = fs_err::metadata(corpus.join(&path)).is_ok_and(|metadata| metadata.len() < 96);
        if is_link || path.starts_with("broken/") {
            continue;
        }
        let package = read(&corpus.join(&path)).unwrap_or_else(|fault| panic!("{path}: {fault}"));
        // rpm dumps version 3 packages after changing them.
        if package.header.region.is_none() {
            continue;
        }
        let by_name: BTreeMap<String, Tag> =
            package.header.tags().map(|tag| (tag.to_string().to_lowercase(), tag)).collect();
        for (name, value) in expected.as_object().unwrap() {
            let Some(&tag) = by_name.get(&name.to_lowercase()) else { continue };
            let Some(found) = json(&package.header, tag) else { continue };
            // Not UTF-8: rpm writes bytes that aren't JSON.
            if !found.to_string().contains('\u{fffd}') && !value.to_string().contains('\u{fffd}') {
                assert_eq!(&found, value, "{path}: {tag}");
                entries += 1;
            }
        }
        compared += 1;
    }
    assert!(compared > 400 && entries > 15_000, "{compared} packages, {entries} entries");
}

#[test]
fn all_parts_of_all_packages_are_read() {
    let Some(corpus) = corpus() else { return };
    for path in packages(&corpus.join("rpms")) {
        let Ok(package) = read(&path) else { continue };
        let header = &package.header;
        let all = (
            files::files(header),
            capabilities::capabilities(header),
            triggers::triggers(header),
            triggers::file_triggers(header),
            triggers::transaction_file_triggers(header),
        );
        assert!(
            all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok() && all.4.is_ok(),
            "{}: {all:?}",
            path.display()
        );
        package.installed(&export::Installation::default()).unwrap();
    }
}

#[test]
fn packages_that_rpm_refuses_are_refused() {
    let Some(corpus) = corpus() else { return };
    let index = fs_err::read_to_string(corpus.join("INDEX.tsv")).unwrap();
    let (mut good, mut bad) = (0, 0);
    for row in index.lines().filter(|row| row.starts_with("rpms/")) {
        let columns: Vec<&str> = row.split('\t').collect();
        // The corpus holds links as small text files.
        if columns[4].starts_with("symlink") {
            continue;
        }
        let (path, verdict) = (columns[0], columns.get(8).copied().unwrap_or_default());
        if verdict.starts_with("rpm4.18:ok; rpm6.0.2:ok") && !verdict.contains("BADdigest") {
            let result = read(&corpus.join(path));
            assert!(result.is_ok(), "{path}: {result:?}");
            good += 1;
        } else if verdict.contains("fail") {
            assert!(read(&corpus.join(path)).is_err(), "{path}: {verdict}");
            bad += 1;
        }
    }
    assert!(good > 300 && bad >= 2, "{good} good, {bad} bad");
}

#[test]
fn versions_are_ordered_as_in_the_corpus() {
    let Some(corpus) = corpus() else { return };
    let text = fs_err::read(corpus.join("rpms/cavaliergopher/vercmp.json")).unwrap();
    let cases: Vec<Json> = serde_json::from_slice(&text).unwrap();
    for case in &cases {
        let [left, right] = ["a", "b"].map(|side| case[side].as_str().unwrap());
        assert_eq!(evr::compare(left, right) as i64, case["expect"].as_i64().unwrap(), "{left} {right}");
    }
    assert!(cases.len() > 100);
}
