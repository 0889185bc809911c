//! A layer's tar.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;

/// In memory, where the machine has such a place.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    parent.join(format!("rowi-fuzz-layer-{}", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    fs::write(&*FILE, bytes).expect("there is room");
    let Ok(paths) = rowi::system::fuzz::layer(&FILE) else { return };
    for path in paths {
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        assert!(!path.starts_with(b"/") && !parts.contains(&&b".."[..]), "{path:?}");
    }
});
