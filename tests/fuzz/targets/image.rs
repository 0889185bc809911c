//! An archive of container images, as `docker save` writes it and as OCI has it.
#![no_main]

use std::{collections::BTreeMap, fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use rowi::{
    cache::Cache,
    oci::{self, Access, Config, Document},
    profile::{Arch, ImageSource, Place, Preload, Reference, Registries},
    report::Report,
};

/// In memory, where the machine has such a place.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
    parent.join(format!("rowi-fuzz-image-{}", std::process::id()))
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Document::Manifest(manifest)) = Document::parse(bytes) {
        let _ = Config::parse(bytes, &manifest);
    }
    // What one input leaves in the cache must not help the next.
    let _ = fs::remove_dir_all(&*FOLDER);
    let cache = Cache::open(FOLDER.join("cache")).expect("there is room");
    let file = FOLDER.join("archive.tar");
    fs::write(&file, bytes).expect("there is room");
    let preload = |source| Preload {
        what: "archive".into(),
        source,
        name: Reference::parse("localhost/app:1"),
        digest: None,
        place: Place::default(),
    };
    let wanted = [ImageSource::DockerArchive(file.clone(), None), ImageSource::OciArchive(file, None)].map(preload);
    let (report, registries, logins) = (Report::default(), Registries::default(), BTreeMap::new());
    let access = Access { cache: &cache, report: &report, offline: true, registries: &registries, logins: &logins };
    for preload in &wanted {
        let Ok(images) = oci::take(std::slice::from_ref(preload), Arch::X86_64, &BTreeMap::new(), &access) else {
            continue;
        };
        assert!(images.iter().all(|image| image.blobs.contains_key(&image.manifest)));
    }
});
