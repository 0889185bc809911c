//! `Packages.db`, read and changed; and the same bytes as `Index.db`.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use rowi::rpmdb::ndb::{Database, FILE_NAME, Tables, blobs};

/// In memory, where the machine has such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let folder = parent.join(format!("rowi-fuzz-ndb-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("there is room");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(tables) = Tables::parse(bytes) {
        for tag in tables.tags() {
            let _ = tables.rows(tag);
        }
    }
    let Ok(blobs) = blobs(bytes) else { return };
    assert!(blobs.iter().all(|blob| blob.header.len() < bytes.len()));
    change(bytes, blobs.len()).expect("what can be read can be changed");
});

/// Adds a package, which is found, and removes it, which leaves what was there.
fn change(bytes: &[u8], count: usize) -> rowi::rpmdb::Result<()> {
    fs::write(FOLDER.join(FILE_NAME), bytes)?;
    let mut database = Database::open(&FOLDER)?;
    let Ok(headers) = database.headers() else { return Ok(()) };
    assert_eq!(headers.len(), count);
    let Some((_, header)) = headers.first() else { return database.close() };
    let Ok(number) = database.add(header) else { return Ok(()) };
    database.close()?;
    let mut database = Database::open(&FOLDER)?;
    assert_eq!(database.headers()?.last().map(|(number, _)| *number), Some(number));
    database.remove(number)?;
    let left: Vec<u32> = database.headers()?.into_iter().map(|(number, _)| number).collect();
    assert_eq!(left, headers.into_iter().map(|(number, _)| number).collect::<Vec<u32>>());
    database.close()
}
