//! Databases that rpm 6.0.2 and SUSE's rpm wrote, and ours beside them.

use std::{collections::BTreeSet, path::Path};

use super::*;
use crate::{
    rpm::{Header, Tag, tests::corpus},
    rpmdb::{
        Backend, convert,
        index::{INDEXES, rows},
        rewrite, sqlite,
        tests::installed,
    },
    units::Epoch,
};

/// Every row of every table of an `Index.db`, by the table's tag.
fn index_rows(file: &[u8]) -> BTreeSet<(u32, Vec<u8>, u32, u32)> {
    let tables = Tables::parse(file).unwrap();
    let rows = |tag| {
        tables.rows(tag).unwrap().unwrap().into_iter().map(move |row| (tag, row.key.to_vec(), row.number, row.at))
    };
    tables.tags().flat_map(rows).collect()
}

fn headers(folder: &Path) -> Vec<Header> {
    Database::open(folder).unwrap().headers().unwrap().into_iter().map(|(_, header)| header).collect()
}

#[test]
fn it_is_what_rpm_writes() {
    let Some(corpus) = corpus() else { return };
    let theirs = corpus.join("rpmdb/reference-rpm6/setC-dev/ndb");
    let read = |folder: &Path, name| fs_err::read(folder.join(name)).unwrap();
    let blobs = blobs(&read(&theirs, FILE_NAME)).unwrap();
    let headers: Vec<Header> =
        blobs.iter().map(|blob| super::parse(&theirs, blob.number, blob.header.clone()).unwrap().1).collect();
    assert_eq!(headers.len(), 29);
    let ours = tempfile::tempdir().unwrap();
    write_canonical(ours.path(), &headers.iter().collect::<Vec<_>>()).unwrap();
    assert!(read(ours.path(), FILE_NAME) == read(&theirs, FILE_NAME), "Packages.db differs from rpm's");
    for folder in [ours.path(), &theirs] {
        check_files(&read(folder, FILE_NAME), &read(folder, INDEX_NAME)).unwrap();
    }
    let [ours, theirs] = [ours.path(), &theirs].map(|folder| index_rows(&read(folder, INDEX_NAME)));
    assert_eq!(ours, theirs);
    assert!(ours.len() > 1000, "{}", ours.len());
    // And what the headers say they are found by is what the tables hold.
    let mut expected = BTreeSet::new();
    for (number, header) in (1..).zip(&headers) {
        for index in INDEXES {
            expected.extend(rows(header, index).into_iter().map(|row| (index.tag.0, row.key, number, row.at)));
        }
    }
    assert_eq!(ours, expected);
}

#[test]
fn a_real_system_is_read() {
    let Some(corpus) = corpus() else { return };
    let listed = corpus.join("rpmdb/_oracle/go-rpmdb__testdata__sle15-bci__Packages.db.qa.tsv");
    let bytes = fs_err::read(corpus.join("rpmdb/go-rpmdb/testdata/sle15-bci/Packages.db")).unwrap();
    let found: BTreeSet<String> = blobs(&bytes)
        .unwrap()
        .into_iter()
        .map(|blob| super::parse(Path::new("db"), blob.number, blob.header).unwrap())
        .map(|(number, header)| {
            let text = |tag| header.string(tag).unwrap().into_owned();
            [text(Tag::NAME), text(Tag::VERSION), text(Tag::RELEASE), number.to_string(), text(Tag::SHA1HEADER)]
                .join(" ")
        })
        .collect();
    // name, epoch, version, release, arch, installtime, dbinstance, size, sha1header
    let listed = fs_err::read_to_string(listed).unwrap();
    let rows = listed.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let listed: BTreeSet<String> = rows.map(|row| [0, 2, 3, 6, 8].map(|at| row[at]).join(" ")).collect();
    assert_eq!(found, listed);
    assert_eq!(found.len(), 35);
}

#[test]
fn it_grows_shrinks_and_is_written_anew() {
    let Some(corpus) = corpus() else { return };
    let all = fs_err::read_to_string(corpus.join("rpmdb/reference-rpm6/setC-dev/packages.txt")).unwrap();
    let headers_of: Vec<Header> = all.lines().map(|path| installed(&corpus.join(path), 7)).collect();
    let folder = tempfile::tempdir().unwrap();
    // More packages than the first pages have room for.
    let mut database = Database::create(folder.path()).unwrap();
    let capacity = PAGES as usize * SLOTS_OF_A_PAGE - packages::FIRST_SLOT;
    for number in 0..=capacity {
        assert_eq!(database.add(&headers_of[number % 3]).unwrap() as usize, number + 1);
    }
    assert_eq!(database.headers().unwrap().len(), capacity + 1);
    for number in 4..=capacity + 1 {
        database.remove(u32::try_from(number).unwrap()).unwrap();
    }
    database.remove(1).unwrap();
    database.remove(1).unwrap();
    fs_err::write(folder.path().join(INDEX_NAME), "of an rpm that was asked meanwhile").unwrap();
    database.close().unwrap();
    assert!(!folder.path().join(INDEX_NAME).exists());
    let mut database = Database::open(folder.path()).unwrap();
    database.add(&headers_of[9]).unwrap();
    drop(database);
    rewrite(Backend::Ndb, folder.path(), Epoch(7)).unwrap();
    let expected = [1, 2, 9].map(|at| headers_of[at].clone());
    let blobs = |headers: &[Header]| headers.iter().map(|header| header.blob().to_vec()).collect::<Vec<_>>();
    assert!(blobs(&headers(folder.path())) == blobs(&expected));
    let once = tempfile::tempdir().unwrap();
    write_canonical(once.path(), &expected.iter().collect::<Vec<_>>()).unwrap();
    for name in [FILE_NAME, INDEX_NAME] {
        let [one, other] = [&folder, &once].map(|folder| fs_err::read(folder.path().join(name)).unwrap());
        assert!(one == other, "{name}");
    }
    // There and back through the other format.
    let sqlite = tempfile::tempdir().unwrap();
    convert((Backend::Ndb, folder.path()), (Backend::Sqlite, sqlite.path())).unwrap();
    assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 0);
    convert((Backend::Sqlite, sqlite.path()), (Backend::Ndb, folder.path())).unwrap();
    assert!(!sqlite.path().join(sqlite::FILE_NAME).exists());
    assert!(blobs(&headers(folder.path())) == blobs(&expected));
}

#[test]
fn damaged_databases_are_refused_and_nothing_panics() {
    let Some(corpus) = corpus() else { return };
    let good = fs_err::read(corpus.join("rpmdb/reference-rpm6/setC-dev/ndb/Packages.db")).unwrap();
    for length in (0..good.len()).step_by(997) {
        assert!(blobs(&good[..length]).is_err(), "{length}");
    }
    let (mut refused, mut same) = (0, 0);
    for at in (0..8192).chain((8192..good.len()).step_by(331)) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xa5;
        match blobs(&bytes) {
            Ok(_) => same += 1,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
    }
    // Generation, the next number, and free slots' numbers and lengths may be anything.
    assert!(refused > 2 * same, "{refused} {same}");
    let broken = tempfile::tempdir().unwrap();
    fs_err::write(broken.path().join(FILE_NAME), &good[..5008]).unwrap();
    let error = Database::open(broken.path()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("has no room"), "{error:?}");
}

#[test]
fn no_number_is_given_twice_whatever_the_file_says() {
    let Some(corpus) = corpus() else { return };
    let mut bytes = fs_err::read(corpus.join("rpmdb/reference-rpm6/setC-dev/ndb/Packages.db")).unwrap();
    let header = super::parse(Path::new("x"), 1, blobs(&bytes).unwrap().remove(3).header).unwrap().1;
    for (next, expected) in [(0, Some(30)), (5, Some(30)), (70, Some(70)), (u32::MAX, None)] {
        bytes[16..20].copy_from_slice(&u32::to_le_bytes(next));
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join(FILE_NAME), &bytes).unwrap();
        let mut database = Database::open(folder.path()).unwrap();
        assert_eq!(database.add(&header).ok(), expected);
        assert_eq!(database.add(&header).ok(), expected.map(|number| number + 1));
        drop(database);
        assert_eq!(headers(folder.path()).len(), if expected.is_some() { 31 } else { 29 });
    }
    // Two slots with one number.
    bytes.copy_within(36..40, 52);
    assert!(blobs(&bytes).unwrap_err().to_string().contains("twice"));
}

#[test]
fn a_file_of_holes_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut database = Database::create(folder.path()).unwrap();
    let place = database.directory.blob(&[0; 100]).unwrap();
    let slot = database.directory.insert(&place).unwrap();
    database.write_slot(slot).unwrap();
    let length = 8u64 << 30;
    database.file.write_all_at(&u32::try_from(length / 16).unwrap().to_le_bytes(), 32 + 12).unwrap();
    database.file.set_len(length + u64::from(PAGES) * 4096).unwrap();
    drop(database);
    let error = Database::open(folder.path()).unwrap_err();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("larger than rpm takes"), "{error:?}");
}

#[test]
fn a_database_that_is_where_it_shall_be_stays() {
    let folder = tempfile::tempdir().unwrap();
    Database::create(folder.path()).unwrap().close().unwrap();
    let before = fs_err::read(folder.path().join(FILE_NAME)).unwrap();
    convert((Backend::Ndb, folder.path()), (Backend::Ndb, folder.path())).unwrap();
    assert!(fs_err::read(folder.path().join(FILE_NAME)).unwrap() == before);
}

#[test]
fn indexes_that_are_not_the_headers_are_told() {
    let Some(corpus) = corpus() else { return };
    let theirs = corpus.join("rpmdb/reference-rpm6/setC-dev/ndb");
    let [packages, good] = [FILE_NAME, INDEX_NAME].map(|name| fs_err::read(theirs.join(name)).unwrap());
    let told = |index: &[u8]| check_files(&packages, index).unwrap_err().to_string();
    for length in (0..good.len()).step_by(4096 - 7) {
        assert!(told(&good[..length]).starts_with("the database"), "{length}");
    }
    // A byte of each part: what makes a difference is told, and nothing panics.
    let (mut refused, mut same) = (0, 0);
    for at in (0..512).chain((4096..good.len()).step_by(331)) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xa5;
        match Tables::parse(&bytes)
            .and_then(|tables| tables.tags().map(|tag| tables.rows(tag)).collect::<io::Result<Vec<_>>>())
        {
            Ok(_) => same += 1,
            Err(_) => refused += 1,
        }
    }
    // Most of the file is room for more.
    assert!(refused > 100 && same > 100, "{refused} {same}");
    let changed = |at: usize, value: u32| {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        told(&bytes)
    };
    assert!(changed(20, 1).contains("another generation"));
    assert!(changed(32 + 4, 7).contains("no index `Name`"));
    let start = u32::from_le_bytes(*good[32 + 8..].first_chunk().unwrap()) as usize * 4096;
    let slot = (0..).map(|slot| start + 64 + slot * 8).find(|at| good[*at..at + 4] != [0; 4]).unwrap();
    assert!(changed(slot + 4, 77).contains("`Name` that is not its headers'"));
    assert!(changed(slot, u32::MAX).contains("`Name` that is not its headers'"));
    assert!(changed(slot, 0).contains("damaged"));
}
