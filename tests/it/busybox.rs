//! Container images for tests, made of the test distribution's own `busybox-static`: an OCI layout with two layers, for
//! both architectures where both are there.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Mutex,
};

use rowi::cache::Digest;
use serde_json::{Value, json};

use crate::{
    image::{Bench, run, text},
    place::test_distribution,
};

/// The name under which profiles have it.
pub(crate) const NAME: &str = "registry.example.org/test/busybox:1";
/// What holds in a container of it, as the shell in it says: the second layer changed the first.
pub(crate) const HOLDS: &str = "[ ! -e /gone ] && [ ! -e /opaque/old ] && [ -e /opaque/new ] && [ \"$(cat /linked)\" = linked ] && [ \"$(stat -c %h /linked)\" = 2 ] && [ \"$(stat -c %u:%a /owned)\" = 7:750 ]";

/// The layout's folder; every user may read it.
pub(crate) fn layout(bench: &Bench) -> PathBuf {
    static MADE: Mutex<()> = Mutex::new(());
    let _alone = MADE.lock();
    let folder = bench.folder.join("busybox");
    if folder.exists() {
        return folder;
    }
    let made = Made::new(folder);
    let base = test_distribution().unwrap();
    let base = base.parent().unwrap();
    let machines = [("x86_64", "amd64"), ("aarch64", "arm64")];
    let manifests: Vec<Value> = machines
        .iter()
        .filter_map(|(arch, architecture)| {
            Some(made.image(&program(&base.join(arch).join(arch), &made.0)?, architecture))
        })
        .collect();
    made.layout(&manifests)
}

/// A layout whose one image is for machines that no profile has.
pub(crate) fn foreign(bench: &Bench) -> PathBuf {
    let made = Made::new(bench.folder.join("foreign"));
    let image = made.image(b"nobody runs it", "s390x");
    made.layout(&[image])
}

/// busybox of one architecture.
fn program(repository: &Path, to: &Path) -> Option<Vec<u8>> {
    let entries = fs_err::read_dir(repository).ok()?;
    let is_it = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("busybox-static-");
    let package = entries.map(|entry| entry.unwrap().path()).find(is_it)?;
    let script = format!("rpm2archive - <{} | tar -xzf - -C {} ./usr/bin/busybox", text(&package), text(to));
    run("sh", &["-c", &script]);
    let file = to.join("usr/bin/busybox");
    let bytes = fs_err::read(&file).unwrap();
    fs_err::remove_dir_all(to.join("usr")).unwrap();
    Some(bytes)
}

struct Made(PathBuf);

impl Made {
    fn new(folder: PathBuf) -> Self {
        fs_err::create_dir_all(folder.join("blobs/sha256")).unwrap();
        Self(folder)
    }

    /// Names the images: the layout is whole.
    fn layout(self, manifests: &[Value]) -> PathBuf {
        assert!(!manifests.is_empty());
        let media_type = "application/vnd.oci.image.index.v1+json";
        let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": manifests});
        let mut entry = self.blob(media_type, index.to_string().as_bytes());
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": NAME});
        let index = json!({"schemaVersion": 2, "manifests": [entry]}).to_string();
        fs_err::write(self.0.join("index.json"), index).unwrap();
        fs_err::write(self.0.join("oci-layout"), json!({"imageLayoutVersion": "1.0.0"}).to_string()).unwrap();
        run("chmod", &["-R", "a+rX", text(&self.0)]);
        self.0
    }

    fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        fs_err::write(self.0.join(format!("blobs/sha256/{digest}")), bytes).unwrap();
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": bytes.len()})
    }

    fn image(&self, busybox: &[u8], architecture: &str) -> Value {
        let layers = [first(busybox), second()];
        let diff_ids: Vec<String> = layers.iter().map(|layer| format!("sha256:{}", Digest::of(layer))).collect();
        let config = json!({
            "architecture": architecture, "os": "linux", "created": "2026-11-20T00:00:00Z",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sh"]}, "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes());
        // One of them packed.
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&layers[0]).unwrap();
        let layers = [
            self.blob("application/vnd.oci.image.layer.v1.tar+gzip", &packed.finish().unwrap()),
            self.blob("application/vnd.oci.image.layer.v1.tar", &layers[1]),
        ];
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": layers});
        let mut entry = self.blob(media_type, manifest.to_string().as_bytes());
        entry["platform"] = json!({"architecture": architecture, "os": "linux"});
        entry
    }
}

/// A layer's tar.
struct Layer(tar::Builder<Vec<u8>>);

impl Layer {
    fn new() -> Self {
        Self(tar::Builder::new(Vec::new()))
    }

    fn add(&mut self, path: &str, kind: tar::EntryType, mode: u32, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_mtime(1_763_600_000);
        header.set_uid(if path == "owned" { 7 } else { 0 });
        header.set_gid(0);
        if matches!(kind, tar::EntryType::Symlink | tar::EntryType::Link) {
            header.set_size(0);
            self.0.append_link(&mut header, path, std::str::from_utf8(content).unwrap()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            self.0.append_data(&mut header, path, content).unwrap();
        }
    }
}

const PROGRAMS: [&str; 16] = [
    "sh", "cat", "ls", "echo", "sleep", "httpd", "wget", "id", "stat", "test", "[", "init", "true", "mount",
    "hostname", "poweroff",
];

fn first(busybox: &[u8]) -> Vec<u8> {
    use tar::EntryType::{Directory, Link, Regular, Symlink};
    let mut layer = Layer::new();
    for folder in ["bin", "sbin", "etc", "dev", "proc", "sys", "tmp", "data", "opaque", "www"] {
        layer.add(folder, Directory, 0o755, b"");
    }
    layer.add("bin/busybox", Regular, 0o755, busybox);
    for program in PROGRAMS {
        layer.add(&format!("bin/{program}"), Symlink, 0o777, b"busybox");
    }
    layer.add("sbin/init", Symlink, 0o777, b"/bin/busybox");
    layer.add("etc/passwd", Regular, 0o644, b"root:x:0:0:root:/:/bin/sh\n");
    layer.add("etc/group", Regular, 0o644, b"root:x:0:\n");
    layer.add("etc/inittab", Regular, 0o644, b"::sysinit:/bin/true\n::once:/bin/sleep 100000\n");
    layer.add("www/index.html", Regular, 0o644, b"a page\n");
    layer.add("gone", Regular, 0o644, b"");
    layer.add("opaque/old", Regular, 0o644, b"");
    layer.add("linked", Regular, 0o644, b"linked");
    layer.add("again", Link, 0o644, b"linked");
    layer.0.into_inner().unwrap()
}

fn second() -> Vec<u8> {
    use tar::EntryType::{Directory, Regular};
    let mut layer = Layer::new();
    layer.add(".wh.gone", Regular, 0o644, b"");
    layer.add("opaque", Directory, 0o755, b"");
    layer.add("opaque/.wh..wh..opq", Regular, 0o644, b"");
    layer.add("opaque/new", Regular, 0o644, b"");
    layer.add("owned", Directory, 0o750, b"");
    layer.0.into_inner().unwrap()
}
