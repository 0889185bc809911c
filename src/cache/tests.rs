use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

use super::*;

fn open() -> (tempfile::TempDir, Cache) {
    let base = tempfile::tempdir().unwrap();
    let cache = Cache::open(base.path().join("rowi")).unwrap();
    (base, cache)
}

#[test]
fn objects_are_found_by_content() {
    let (_base, cache) = open();
    let digest = cache.put(Kind::Package, b"hello").unwrap();
    assert_eq!(digest, Digest::of(b"hello"));
    let path = cache.object(digest).unwrap().unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), b"hello");
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o444);
    assert_eq!(fs_err::metadata(cache.folder()).unwrap().permissions().mode() & 0o7777, 0o700);
    assert_eq!(cache.object(Digest::of(b"other")).unwrap(), None);
}

#[test]
fn damage_is_noticed_and_removed() {
    let (_base, cache) = open();
    let digest = cache.put(Kind::Package, b"hello").unwrap();
    let sound = cache.put(Kind::Package, b"sound").unwrap();
    let path = cache.object(digest).unwrap().unwrap();
    fs_err::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    fs_err::write(&path, b"jello").unwrap();
    assert_eq!(cache.object(digest).unwrap(), None);
    assert!(!path.exists());
    assert_eq!(cache.verify().unwrap(), Verified { sound: 1, damaged: Vec::new() });
    assert!(cache.object(sound).unwrap().is_some());
}

#[test]
fn links_are_no_objects() {
    let (base, cache) = open();
    let digest = cache.put(Kind::Package, b"hello").unwrap();
    let path = cache.object(digest).unwrap().unwrap();
    let outside = base.path().join("outside");
    fs_err::rename(&path, &outside).unwrap();
    fs_err::os::unix::fs::symlink(&outside, &path).unwrap();
    assert_eq!(cache.object(digest).unwrap(), None);
    assert_eq!(cache.put(Kind::Package, b"hello").unwrap(), digest);
    assert!(cache.object(digest).unwrap().is_some());
    assert!(fs_err::symlink_metadata(&path).unwrap().is_file());
}

#[test]
fn wrong_content_is_not_kept() {
    let (_base, cache) = open();
    let mut writer = cache.writer(Kind::Package, 5).unwrap();
    writer.write(b"jello").unwrap();
    assert!(matches!(writer.finish_as(Digest::of(b"hello")), Err(Error::Digest { .. })));
    let mut writer = cache.writer(Kind::Package, 5).unwrap();
    assert!(matches!(writer.write(b"hello!"), Err(Error::TooLong { limit: 5 })));
    drop(writer);
    assert_eq!(cache.verify().unwrap().sound, 0);
    assert_eq!(fs_err::read_dir(cache.work()).unwrap().count(), 0);
}

#[test]
fn a_damaged_index_is_begun_anew() {
    let (_base, cache) = open();
    let digest = cache.put(Kind::Package, b"hello").unwrap();
    let folder = cache.folder().to_owned();
    drop(cache);
    fs_err::write(folder.join("index.sqlite"), vec![7; 5000]).unwrap();
    let _ = fs_err::remove_file(folder.join("index.sqlite-wal"));
    let cache = Cache::open(folder).unwrap();
    assert!(cache.object(digest).unwrap().is_some());
}

#[test]
fn only_dead_work_is_swept() {
    let (_base, cache) = open();
    let other = Cache::open(cache.folder()).unwrap();
    let (own, others) = (cache.work().to_owned(), other.work().to_owned());
    // A process that was killed leaves a folder and a lock that no one holds.
    let dead = cache.folder().join("work/4711-0000000000000000");
    fs_err::create_dir_all(dead.join("root/closed")).unwrap();
    fs_err::write(dead.join("root/closed/file"), "x").unwrap();
    fs_err::set_permissions(dead.join("root/closed"), PermissionsExt::from_mode(0o000)).unwrap();
    let found = cache.dead_work().unwrap();
    assert_eq!(found.iter().map(DeadWork::path).collect::<Vec<_>>(), [&dead]);
    drop(found);
    assert_eq!(cache.sweep(|_| Err(io::ErrorKind::Other.into())).unwrap(), [""; 0].map(PathBuf::from));
    assert!(!dead.exists() && own.exists() && others.exists());
    drop(other);
    assert!(!others.exists());
    assert_eq!(fs_err::read_dir(cache.folder().join("locks")).unwrap().count(), 1);
}

#[test]
fn stages_are_found_by_all_their_inputs() {
    let (_base, cache) = open();
    let key = |packages: &[&str]| StageKey::new("tree").unwrap().input("packages", &packages).input("docs", &true);
    assert_eq!(cache.stage(&key(&["a"])).unwrap(), None);
    let tree = cache.put(Kind::Stage, b"tree of a").unwrap();
    let record = cache.record(&key(&["a"]), BTreeMap::from([("tree".to_owned(), tree)])).unwrap();
    assert_eq!(cache.stage(&key(&["a"])).unwrap(), Some(record));
    assert_eq!(cache.stage(&key(&["a", "b"])).unwrap(), None);
    fs_err::remove_file(cache.object(tree).unwrap().unwrap()).unwrap();
    assert_eq!(cache.stage(&key(&["a"])).unwrap(), None);
}

#[test]
fn clearing_keeps_what_it_should() {
    let (_base, cache) = open();
    let package = cache.put(Kind::Package, b"package").unwrap();
    let stage = cache.put(Kind::Stage, b"stage").unwrap();
    cache.record(&StageKey::new("tree").unwrap(), BTreeMap::from([("tree".to_owned(), stage)])).unwrap();
    cache.clear(&[Kind::Package, Kind::Metadata]).unwrap();
    assert!(cache.object(package).unwrap().is_some());
    assert_eq!(cache.object(stage).unwrap(), None);
    assert_eq!(cache.stage(&StageKey::new("tree").unwrap()).unwrap(), None);
}

#[test]
fn many_writers_of_one_object_agree() {
    let (_base, cache) = open();
    let digest = Digest::of(&[7; 100_000]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let other = Cache::open(cache.folder()).unwrap();
            scope.spawn(move || {
                for _ in 0..20 {
                    assert_eq!(other.put(Kind::Input, &[7; 100_000]).unwrap(), digest);
                    assert!(other.object(digest).unwrap().is_some());
                }
            });
        }
    });
    assert_eq!(cache.verify().unwrap().sound, 1);
}
