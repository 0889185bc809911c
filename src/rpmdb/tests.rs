//! Databases compared with rpm's own, and judged by rpm.

use std::{collections::BTreeSet, path::Path, process::Command};

use rusqlite::{Connection, types::Value as Sql};

use super::{
    Backend, Epoch, Header, Tag, at_epoch,
    index::INDEXES,
    pubkey, rewrite, rpm,
    sqlite::{self, Database},
};
use crate::rpm::{
    Package,
    export::{FileState, Installation},
    tests::{corpus, packages, read},
};

fn rows(connection: &Connection, sql: &str) -> Vec<Vec<Sql>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect()).unwrap();
    rows.map(Result::unwrap).collect()
}

pub(super) fn installed(path: &Path, time: u32) -> Header {
    let package: Package = read(path).unwrap();
    let files = rpm::files::files(&package.header).unwrap();
    let file_states = vec![FileState::Normal; files.len()];
    package.installed(&Installation { time, transaction: time, color: 3, file_states }).unwrap()
}

/// A copy of a database of the corpus, which is read-only.
fn copied(file: &Path) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join(sqlite::FILE_NAME), fs_err::read(file).unwrap()).unwrap();
    folder
}

#[test]
fn headers_and_indexes_are_those_that_rpm_writes() {
    let Some(corpus) = corpus() else { return };
    let reference = corpus.join("rpmdb/reference-rpm6/setC-dev");
    let theirs = copied(&reference.join("sqlite").join(sqlite::FILE_NAME));
    let ours = tempfile::tempdir().unwrap();
    let mut by_label = std::collections::HashMap::new();
    for path in fs_err::read_to_string(reference.join("packages.txt")).unwrap().lines() {
        let header = installed(&corpus.join(path), 1);
        by_label.insert(header.label(), header);
    }
    let mut database = Database::create(ours.path()).unwrap();
    for (_, header) in Database::open(theirs.path()).unwrap().headers().unwrap() {
        let same = [Tag::INSTALLTIME, Tag::INSTALLTID].map(|tag| (tag, header.number(tag).unwrap() as u32));
        let mine = by_label[&header.label()].with_numbers(&same);
        let differs = header
            .tags()
            .filter(|tag| mine.entry(*tag).map(|it| mine.raw(it)) != header.entry(*tag).map(|it| header.raw(it)));
        assert_eq!(differs.collect::<Vec<_>>(), [], "{}", header.label());
        assert!(mine.blob() == header.blob(), "{}", header.label());
        database.add(&mine).unwrap();
    }
    database.close().unwrap();

    let open = |folder: &tempfile::TempDir| Connection::open(folder.path().join(sqlite::FILE_NAME)).unwrap();
    let (ours, theirs) = (open(&ours), open(&theirs));
    for table in INDEXES.map(|index| index.name) {
        let sql = format!("SELECT CAST(key AS BLOB), typeof(key), hnum, idx FROM '{table}' ORDER BY 3, 4, 1");
        assert_eq!(rows(&ours, &sql), rows(&theirs, &sql), "{table}");
    }
    let schema = "SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    assert_eq!(rows(&ours, schema), rows(&theirs, schema));
}

#[test]
fn databases_of_real_systems_are_read_and_indexed_alike() {
    let Some(corpus) = corpus() else { return };
    let mut compared = 0;
    for file in
        ["go-rpmdb/testdata/cbl-mariner-2.0/rpmdb.sqlite", "rpm-upstream/rpmdb.sqlite", "scancode/rpm/rpmdb.sqlite"]
    {
        let file = corpus.join("rpmdb").join(file);
        let folder = copied(&file);
        let database = Database::open(folder.path()).unwrap();
        let headers = database.headers().unwrap();
        drop(database);
        let connection = Connection::open(folder.path().join(sqlite::FILE_NAME)).unwrap();
        for index in INDEXES {
            let exists = "SELECT count(*) FROM sqlite_master WHERE name = ?";
            if connection.query_row(exists, [index.name], |row| row.get::<_, i64>(0)).unwrap() == 0 {
                continue;
            }
            let sql = format!("SELECT CAST(key AS BLOB), hnum, idx FROM '{}'", index.name);
            let theirs: BTreeSet<(Vec<u8>, u32, u32)> = (connection.prepare(&sql).unwrap())
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .unwrap()
                .map(|row| row.unwrap())
                // One of the databases was cut down to two packages, but not its indexes.
                .filter(|(_, number, _)| headers.iter().any(|(known, _)| known == number))
                .collect();
            let ours = (headers.iter()).flat_map(|(number, header)| {
                super::index::rows(header, index).into_iter().map(|row| (row.key, *number, row.at))
            });
            assert_eq!(ours.collect::<BTreeSet<_>>(), theirs, "{} of {}", index.name, file.display());
            compared += theirs.len();
        }
    }
    assert!(compared > 10_000, "{compared}");
}

/// What rpm says of a database, or nothing when there is no rpm.
#[expect(clippy::disallowed_methods, clippy::print_stderr, reason = "rpm is the judge; a skipped test is seen")]
fn ask(program: &str, folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(["--nosignature", "--dbpath"])
        .arg(folder)
        .args(arguments)
        .env("LC_ALL", "C")
        .output();
    let Ok(output) = output else {
        assert!(std::env::var_os("REQUIRE_TOOLS").is_none(), "there is no {program}");
        eprintln!("skipped: there is no {program}");
        return None;
    };
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{program} {arguments:?}: {out}{err}");
    assert_eq!(err, "", "{program} {arguments:?}");
    Some(out)
}

#[test]
fn rpm_reads_what_is_written() {
    let Some(corpus) = corpus() else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = packages(&corpus.join("rpms"));
    let headers: Vec<Header> = all.iter().filter(|path| read(path).is_ok()).map(|path| installed(path, 7)).collect();
    let headers: Vec<&Header> = headers.iter().filter(|header| !header.has(Tag::SOURCEPACKAGE)).collect();
    sqlite::write_canonical(folder.path(), &headers).unwrap();
    let Some(listed) = ask("rpm", folder.path(), &["-qa", "--qf", "%{NAME}\n"]) else { return };
    assert_eq!(listed.lines().count(), headers.len());
    ask("rpmdb", folder.path(), &["--verifydb"]).unwrap();
    let bash =
        ask("rpm", folder.path(), &["-q", "--whatprovides", "capstest", "--qf", "%{NAME} %{INSTALLTIME}\n"]).unwrap();
    assert!(bash.contains("capstest 7"), "{bash}");
}

#[test]
fn the_same_packages_give_the_same_bytes_whatever_came_before() {
    let Some(corpus) = corpus() else { return };
    let paths = packages(&corpus.join("rpms/createrepo_c"));
    let write = |time: u32, detour: bool| {
        let folder = tempfile::tempdir().unwrap();
        let mut database = Database::create(folder.path()).unwrap();
        if detour {
            let number = database.add(&installed(&paths[0], time)).unwrap();
            database.remove(number).unwrap();
            Connection::open(folder.path().join(sqlite::FILE_NAME))
                .unwrap()
                .pragma_update(None, "journal_mode", "WAL")
                .unwrap();
        }
        for path in &paths {
            database.add(&installed(path, time)).unwrap();
        }
        database.close().unwrap();
        fs_err::write(folder.path().join(".rpm.lock"), "").unwrap();
        rewrite(Backend::Sqlite, folder.path(), Epoch(1_700_000_000)).unwrap();
        let names: Vec<_> = fs_err::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [sqlite::FILE_NAME]);
        fs_err::read(folder.path().join(sqlite::FILE_NAME)).unwrap()
    };
    let bytes = write(1_800_000_000, false);
    // Rollback journal: what a read-only file system needs.
    assert_eq!(bytes[18..20], [1, 1]);
    assert!(bytes == write(1_900_000_000, true), "two rewrites of the same packages differ");
}

#[test]
fn keys_are_stored_as_rpm_imports_them() {
    let Some(corpus) = corpus() else { return };
    for name in [
        "rpms/rpm-rs/signing_keys/v4/rpm-testkey-v4-rsa4096.asc",
        "rpms/rpm-rs/signing_keys/v4/rpm-testkey-v4-ed25519.asc",
        "rpms/keys/misc/opensuse-tumbleweed-signing-key.asc",
        "repodata/repos/mocacinno-sle15/mocacinno_pubkey.asc",
        "repodata/repos/sonicde-tumbleweed/key.asc",
        "repodata/libzypp/zypp/tests/repo/susetags/data/stable-x86-subset/gpg-pubkey-307e3d54-44201d5d.asc",
    ] {
        let path = corpus.join(name);
        let mut keys = rpm::signature::Keyring::default();
        keys.add(&fs_err::read(&path).unwrap(), name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        if ask("rpm", folder.path(), &["--import", path.to_str().unwrap()]).is_none() {
            return;
        }
        let theirs = Database::open(folder.path()).unwrap().headers().unwrap();
        let version = theirs[0].1.string(Tag::RPMVERSION).unwrap().into_owned();
        let sequoia = !theirs[0].1.string(Tag::DESCRIPTION).unwrap().contains("Version: rpm");
        let importer = pubkey::Importer { version, sequoia };
        let ours = pubkey::headers(&keys, Epoch(1), &importer).unwrap();
        let (ours, theirs) = (&ours[0], at_epoch(&theirs[0].1, Epoch(1)));
        let values = |header: &Header, tag| (header.string_array(tag), header.u32s(tag));
        for tag in theirs.tags() {
            assert_eq!(values(ours, tag), values(&theirs, tag), "{name}: {tag}");
        }
        assert!(ours.blob() == theirs.blob(), "{name}");
    }
}
