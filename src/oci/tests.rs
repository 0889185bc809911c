use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{
    profile::{ImageSource, Place, Reference, Registries},
    report::Explain,
};

/// An OCI layout that is being made.
struct Made {
    folder: tempfile::TempDir,
    entries: Vec<Value>,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("blobs/sha256")).unwrap();
        Self { folder, entries: Vec::new() }
    }

    fn blob(&self, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs_err::write(self.folder.path().join(format!("blobs/sha256/{digest}")), bytes).unwrap();
        json!({"digest": format!("sha256:{digest}"), "size": bytes.len(), "mediaType": "x"})
    }

    fn json(&self, value: &Value) -> Value {
        self.blob(value.to_string().as_bytes())
    }

    /// An image for an architecture, whose one layer is that text.
    fn image(&self, architecture: &str, layer: &str) -> Value {
        let diff_ids = [format!("sha256:{}", Digest::of(layer.as_bytes()))];
        let config =
            json!({"architecture": architecture, "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let manifest =
            json!({"schemaVersion": 2, "config": self.json(&config), "layers": [self.blob(layer.as_bytes())]});
        let mut entry = self.json(&manifest);
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entry
    }

    fn list(&mut self, mut entry: Value, name: &str) {
        entry["annotations"] = json!({manifest::REF_NAME: name});
        self.entries.push(entry);
        let index = json!({"schemaVersion": 2, "manifests": self.entries});
        fs_err::write(self.folder.path().join("index.json"), index.to_string()).unwrap();
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn preload(what: &str) -> Preload {
    let source = ImageSource::parse(what, |path| path.into()).unwrap();
    Preload { what: what.to_owned(), source, name: None, digest: None, place: Place::default() }
}

fn take_from(
    wanted: &[Preload],
    arch: Arch,
    pins: &BTreeMap<String, Digest>,
) -> Result<Vec<(String, Digest, usize)>, String> {
    let folder = tempfile::tempdir().unwrap();
    let (cache, report) = (Cache::open(folder.path().join("cache")).unwrap(), Report::default());
    let access = Access {
        cache: &cache,
        report: &report,
        offline: true,
        registries: &Registries::default(),
        logins: &BTreeMap::new(),
    };
    match take(wanted, arch, pins, &access) {
        Ok(images) => Ok(images.into_iter().map(|it| (it.name, it.manifest, it.blobs.len())).collect()),
        Err(error) => {
            let lines =
                error.diagnostics().into_iter().map(|it| [vec![it.message], it.because, it.hints].concat().join(" | "));
            Err(lines.collect::<Vec<_>>().join("\n"))
        }
    }
}

fn take_one(preload: &Preload, arch: Arch) -> Result<(String, Digest, usize), String> {
    Ok(take_from(std::slice::from_ref(preload), arch, &BTreeMap::new())?.remove(0))
}

/// A layout of one image for two machines, under a full name.
fn two_machines() -> Made {
    let mut made = Made::new();
    let index = json!({"schemaVersion": 2, "manifests": [made.image("amd64", "x86"), made.image("arm64", "arm")]});
    let index = made.json(&index);
    made.list(index, "localhost/app:1");
    made
}

#[test]
fn the_image_for_the_own_machine_is_taken_under_its_name() {
    let made = two_machines();
    let preload = preload(&format!("oci:{}", made.path().display()));
    let (x86, arm) = (take_one(&preload, Arch::X86_64).unwrap(), take_one(&preload, Arch::Aarch64).unwrap());
    assert_eq!((x86.0.as_str(), x86.2, arm.2), ("localhost/app:1", 3, 3));
    assert_ne!(x86.1, arm.1);
    let named = Preload { name: Reference::parse("quay.io/other"), ..preload };
    assert_eq!(take_one(&named, Arch::X86_64).unwrap().0, "quay.io/other:latest");
}

#[test]
fn what_is_pinned_is_that_or_nothing() {
    let made = two_machines();
    let what = format!("oci:{}", made.path().display());
    let (_, manifest, _) = take_one(&preload(&what), Arch::X86_64).unwrap();
    let pinned = |digest| take_one(&Preload { digest: Some(digest), ..preload(&what) }, Arch::X86_64);
    assert!(pinned(manifest).is_ok());
    let error = pinned(Digest::of(b"other")).unwrap_err();
    assert!(error.contains("is not the image that the profile names | expected sha256:d9298a10"), "{error}");
    let locked = |digest| take_from(&[preload(&what)], Arch::X86_64, &BTreeMap::from([(what.clone(), digest)]));
    assert!(locked(manifest).is_ok());
    assert!(locked(Digest::of(b"other")).unwrap_err().contains("the lock names"));
}

#[test]
fn a_blob_that_was_changed_is_told_before_anything_is_made_of_it() {
    let made = two_machines();
    let layer = made.path().join(format!("blobs/sha256/{}", Digest::of(b"x86")));
    fs_err::write(layer, "x87").unwrap();
    let error = take_one(&preload(&format!("oci:{}", made.path().display())), Arch::X86_64).unwrap_err();
    assert!(
        error.contains("is not what its digest says") && error.contains("wrong content: expected sha256"),
        "{error}"
    );
}

#[test]
fn an_image_for_another_machine_is_told_at_once_with_all_other_faults() {
    let mut made = Made::new();
    let arm = made.image("arm64", "arm");
    made.list(arm, "localhost/app:1");
    let wanted =
        [preload(&format!("oci:{}", made.path().display())), preload("oci:/nowhere"), preload("quay.io/a/b:1")];
    let error = take_from(&wanted, Arch::X86_64, &BTreeMap::new()).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].contains("is for linux/arm64, and this image is for linux/amd64"), "{error}");
    assert!(lines[1].contains("cannot read `index.json` of `oci:/nowhere`"), "{error}");
    assert!(lines[2].contains("`quay.io/a/b:1` is not in the cache, and `--offline`"), "{error}");
}

#[test]
fn of_several_images_one_has_to_be_named() {
    let mut made = two_machines();
    let other = made.image("amd64", "other");
    made.list(other, "2");
    let what = format!("oci:{}", made.path().display());
    let error = take_one(&preload(&what), Arch::X86_64).unwrap_err();
    assert!(error.contains("has 2 images | say which: `oci:/") && error.contains(":localhost/app:1`"), "{error}");
    let error = take_one(&preload(&format!("{what}:3")), Arch::X86_64).unwrap_err();
    assert!(error.contains("has no image of that name | it has localhost/app:1, 2"), "{error}");
    let error = take_one(&preload(&format!("{what}:2")), Arch::X86_64).unwrap_err();
    assert!(
        error.contains("has only the name `2`, and containers are started by a full one | `{image: \"oci:/"),
        "{error}"
    );
    let named = Preload { name: Reference::parse("localhost/x:2"), ..preload(&format!("{what}:2")) };
    assert_eq!(take_one(&named, Arch::X86_64).unwrap().0, "localhost/x:2");
}

/// A tar of these files; an empty text that begins with `->` is a link.
fn tar(files: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
    let mut builder = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
    for (name, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        match bytes.strip_prefix(b"->") {
            Some(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, std::str::from_utf8(target).unwrap()).unwrap();
            }
            None => {
                header.set_size(bytes.len() as u64);
                builder.append_data(&mut header, name, *bytes).unwrap();
            }
        }
    }
    builder.into_inner().unwrap()
}

#[test]
fn what_docker_saves_becomes_an_image_with_digests() {
    let layer = Digest::of(b"layer");
    let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": [format!("sha256:{layer}"), format!("sha256:{layer}")]}}).to_string();
    let saved =
        json!([{"Config": "c.json", "RepoTags": ["app:1"], "Layers": ["a/layer.tar", "b/layer.tar"]}]).to_string();
    let files: [(&str, &[u8]); 4] = [
        ("a/layer.tar", b"layer"),
        ("b/layer.tar", b"->../a/layer.tar"),
        ("c.json", config.as_bytes()),
        ("manifest.json", saved.as_bytes()),
    ];
    let file = tar(&files);
    let what = format!("docker-archive:{}", file.path().display());
    let image = take_one(&preload(&what), Arch::X86_64).unwrap();
    assert_eq!((image.0.as_str(), image.2), ("docker.io/library/app:1", 3));
    assert_eq!(take_one(&preload(&format!("{what}:app:1")), Arch::X86_64).unwrap(), image);
    assert!(take_one(&preload(&format!("{what}:app:2")), Arch::X86_64).unwrap_err().contains("it has app:1"));
    assert!(take_one(&preload(&what), Arch::Aarch64).unwrap_err().contains("is for linux/amd64"));
    // Packed, it is the same.
    let packed = tempfile::NamedTempFile::new().unwrap();
    zstd::stream::copy_encode(fs_err::File::open(file.path()).unwrap(), packed.as_file(), 1).unwrap();
    assert_eq!(
        take_one(&preload(&format!("docker-archive:{}", packed.path().display())), Arch::X86_64).unwrap(),
        image
    );
    // The other kind of archive says so.
    let error = take_one(&preload(&format!("oci-archive:{}", file.path().display())), Arch::X86_64).unwrap_err();
    assert!(error.contains("it looks like what `docker save` writes"), "{error}");
}

#[test]
fn a_layout_in_an_archive_is_read_as_in_a_folder() {
    let made = two_machines();
    let mut builder = tar::Builder::new(tempfile::NamedTempFile::new().unwrap());
    builder.append_dir_all("./", made.path()).unwrap();
    let file = builder.into_inner().unwrap();
    let folder = take_one(&preload(&format!("oci:{}", made.path().display())), Arch::Aarch64);
    assert_eq!(take_one(&preload(&format!("oci-archive:{}", file.path().display())), Arch::Aarch64), folder);
}

#[test]
fn documents_of_strangers_are_refused_with_a_reason() {
    let digest = format!("sha256:{}", Digest::of(b""));
    let blob = json!({"digest": digest, "size": 1});
    for (document, why) in [
        ("{", "EOF"),
        ("[]", "invalid length"),
        (r#"{"schemaVersion": 1}"#, "schema 1"),
        (&json!({"schemaVersion": 2, "config": {"digest": "md5:x", "size": 1}, "layers": []}).to_string(), "is no SHA-256"),
        (&json!({"schemaVersion": 2, "config": {"digest": digest, "size": u64::MAX}, "layers": []}).to_string(), "has more than"),
        (&json!({"schemaVersion": 2, "config": blob, "layers": vec![blob.clone(); 501]}).to_string(), "more than 500 layers"),
        (&json!({"schemaVersion": 2, "config": blob, "layers": [{"digest": digest, "size": 1, "urls": ["http://x"]}]}).to_string(), "elsewhere"),
    ] {
        let error = Document::parse(document.as_bytes()).unwrap_err();
        assert!(error.contains(why), "{document}: {error}");
    }
}

proptest::proptest! {
    /// Whatever it is, reading it ends.
    #[test]
    fn nonsense_is_no_image(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
        let _ = Document::parse(&bytes);
        let _ = Config::parse(&bytes, &Manifest::default());
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), &bytes).unwrap();
        for kind in ["oci-archive", "docker-archive"] {
            assert!(take_one(&preload(&format!("{kind}:{}", file.path().display())), Arch::X86_64).is_err());
        }
    }
}
