//! An additional image store, which podman and CRI-O read where it lies (containers/storage 1.59, `images.go`,
//! `layers.go`, `drivers/overlay/overlay.go`; containers-storage.conf(5), `additionalimagestores`):
//!
//! ```text
//! overlay/ID/diff        the layer's files          overlay-layers/layers.json, layers.lock
//! overlay/ID/link        its short name             overlay-images/images.json, images.lock
//! overlay/ID/lower       those below it             overlay-images/ID/…         manifest and configuration
//! overlay/l/SHORT        → ../ID/diff               overlay-layers/ID.tar-split.gz
//! ```
//!
//! A layer's id is what containers/image 5.34 gives it (`storage/storage_dest.go`: the SHA-256 of the parent's id, `+`
//! and its own tar's), so that an image that is pulled later finds its layers here. The short names are random there;
//! here they come from the id. The locks have to be there, since nobody can make them in a read-only root
//! (containers/common #2507).

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufReader, Read, Write},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Image, layer, split};
use crate::{
    cache::Digest,
    oci::manifest::{Descriptor, MAX_LAYER},
    tree::{Kind, Node, RelPath, Time},
    unpack::unpack,
};

/// Characters of a layer's short name (`drivers/overlay/overlay.go`, `idLength`).
const SHORT: usize = 26;

/// A store that grows by images.
#[derive(Debug)]
pub(super) struct Store<'a> {
    /// Blobs by their SHA-256.
    blobs: &'a Path,
    /// Where unpacked layers go.
    spool: &'a Path,
    time: Time,
    /// When all is said to have been made where images do not say it, RFC 3339.
    created: String,
    /// The number of the next set of hard links.
    links: u64,
    nodes: BTreeMap<RelPath, Node>,
    layers: BTreeMap<String, Value>,
    images: BTreeMap<String, Value>,
}

impl<'a> Store<'a> {
    pub(super) fn new(blobs: &'a Path, spool: &'a Path, time: Time, created: String, links: u64) -> Self {
        let (nodes, layers, images) = Default::default();
        Self { blobs, spool, time, created, links, nodes, layers, images }
    }

    /// An image with its layers; those that are there already are only named.
    pub(super) fn add(&mut self, image: &Image) -> io::Result<()> {
        let mut chain: Vec<String> = Vec::new();
        for (blob, diff_id) in image.manifest.layers.iter().zip(image.config.diff_ids()) {
            let id = layer_id(chain.last(), diff_id);
            if !self.layers.contains_key(&id) {
                self.layer(&id, &chain, blob, diff_id)?;
            }
            chain.push(id);
        }
        let id = image.config_digest.to_string();
        if let Some(names) = self.images.get_mut(&id).and_then(|known| known["names"].as_array_mut()) {
            names.push(image.name.clone().into());
            return Ok(());
        }
        let (config, manifest) = (format!("sha256:{id}"), format!("manifest-sha256:{}", image.digest));
        let data = [(config, image.config_digest), (manifest, image.digest), ("manifest".to_owned(), image.digest)];
        let (mut names, mut sizes, mut digests) = (Vec::new(), serde_json::Map::new(), serde_json::Map::new());
        for (name, digest) in data {
            let bytes = fs_err::read(self.blobs.join(digest.to_string()))?;
            sizes.insert(name.clone(), bytes.len().into());
            digests.insert(name.clone(), format!("sha256:{digest}").into());
            self.file(&format!("overlay-images/{id}/{}", data_name(&name)), &bytes, 0o644)?;
            names.push(name);
        }
        let created = image.config.created.as_deref().filter(|text| is_rfc_3339(text)).unwrap_or(&self.created);
        let record = json!({
            "id": id, "digest": format!("sha256:{}", image.digest), "names": [image.name], "layer": chain.last().cloned().unwrap_or_default(),
            "metadata": "{}", "created": created,
            "big-data-names": names, "big-data-sizes": sizes, "big-data-digests": digests,
        });
        self.images.insert(id, record);
        Ok(())
    }

    fn layer(&mut self, id: &str, below: &[String], blob: &Descriptor, diff_id: Digest) -> io::Result<()> {
        let (tar, length) = self.unpacked(blob, diff_id)?;
        let nodes = layer::read(&tar, self.time, &mut self.links)?;
        let (mut uids, mut gids) = (BTreeSet::new(), BTreeSet::new());
        for (path, node) in nodes {
            if !matches!(node.kind, Kind::CharDevice { major: 0, minor: 0 }) {
                uids.insert(node.uid);
                gids.insert(node.gid);
            }
            let path = at(&format!("overlay/{id}/diff"))?.join(path.as_bytes()).map_err(io::Error::other)?;
            self.nodes.insert(path, node);
        }
        self.file(&format!("overlay-layers/{id}.tar-split.gz"), &split::record(&tar)?, 0o644)?;
        let short = short(id);
        self.file(&format!("overlay/{id}/link"), short.as_bytes(), 0o644)?;
        if !below.is_empty() {
            let lower: Vec<String> = below.iter().rev().map(|id| format!("l/{}", self::short(id))).collect();
            self.file(&format!("overlay/{id}/lower"), lower.join(":").as_bytes(), 0o644)?;
        }
        let link = Node::symlink(format!("../{id}/diff"), self.time);
        self.nodes.insert(at(&format!("overlay/l/{short}"))?, link);
        let mut record = json!({
            "id": id, "created": self.created, "uidset": uids, "gidset": gids,
            "compressed-diff-digest": blob.digest, "compressed-size": blob.size,
            "diff-digest": format!("sha256:{diff_id}"), "diff-size": length,
        });
        if let Some(parent) = below.last() {
            record["parent"] = parent.as_str().into();
        }
        // `pkg/archive/archive.go`, `Compression`.
        if let Some(kind) = [("gzip", 2), ("zstd", 4)].iter().find(|(kind, _)| blob.media_type.ends_with(kind)) {
            record["compression"] = kind.1.into();
        }
        self.layers.insert(id.to_owned(), record);
        Ok(())
    }

    /// The layer's tar in the spool, and its length; it must be what the configuration says.
    fn unpacked(&self, blob: &Descriptor, diff_id: Digest) -> io::Result<(std::path::PathBuf, u64)> {
        let digest = blob.digest.trim_start_matches("sha256:");
        let to = self.spool.join(format!("layer-{diff_id}"));
        let packed = BufReader::with_capacity(1 << 17, fs_err::File::open(self.blobs.join(digest))?);
        let mut plain = unpack(packed, MAX_LAYER)?;
        let (mut file, mut hasher, mut length) = (fs_err::File::create(&to)?, Sha256::new(), 0);
        let mut buffer = vec![0; 1 << 17];
        loop {
            let read = plain.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            file.write_all(&buffer[..read])?;
            length += read as u64;
        }
        let found = Digest::finish(hasher);
        if found != diff_id {
            let why = format!(
                "layer `{}` unpacks to sha256:{found}, and its configuration says sha256:{diff_id}",
                blob.digest
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok((to, length))
    }

    fn file(&mut self, path: &str, bytes: &[u8], mode: u32) -> io::Result<()> {
        self.nodes.insert(at(path)?, Node::file(bytes.to_vec().into(), mode, self.time));
        Ok(())
    }

    /// All nodes, below the store's folder.
    pub(super) fn finish(mut self) -> io::Result<BTreeMap<RelPath, Node>> {
        let json = |all: &BTreeMap<String, Value>| Value::from_iter(all.values().cloned()).to_string();
        let (layers, images) = (json(&self.layers), json(&self.images));
        for (kind, text) in [("layers", layers), ("images", images)] {
            self.file(&format!("overlay-{kind}/{kind}.json"), text.as_bytes(), 0o644)?;
            self.file(&format!("overlay-{kind}/{kind}.lock"), b"", 0o644)?;
        }
        let mut folders = BTreeSet::new();
        for path in self.nodes.keys() {
            folders.extend(std::iter::successors(path.parent(), RelPath::parent));
        }
        for folder in folders {
            self.nodes.entry(folder).or_insert_with(|| Node::directory(0o755, self.time));
        }
        Ok(self.nodes)
    }
}

fn at(path: &str) -> io::Result<RelPath> {
    RelPath::new(path).map_err(io::Error::other)
}

/// A layer's id, by its parent's and its tar's digest.
fn layer_id(parent: Option<&String>, diff_id: Digest) -> String {
    match parent {
        None => diff_id.to_string(),
        Some(parent) => Digest::of(format!("{parent}+{diff_id}").as_bytes()).to_string(),
    }
}

/// A layer's short name: base 32 (RFC 4648) of the SHA-256 of its id.
fn short(id: &str) -> String {
    const DIGITS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let digest = Digest::of(id.as_bytes());
    let bit = |at: usize| usize::from(digest.as_bytes()[at / 8] >> (7 - at % 8) & 1);
    (0..SHORT).map(|at| char::from(DIGITS[(0..5).fold(0, |digit, more| digit << 1 | bit(5 * at + more))])).collect()
}

/// The file of an image's datum (`images.go`, `makeBigDataBaseName`).
fn data_name(name: &str) -> String {
    let is_plain = |c: char| c == '.' || c.is_ascii_digit() || c.is_ascii_lowercase();
    if name.chars().all(is_plain) { name.to_owned() } else { format!("={}", STANDARD.encode(name)) }
}

/// Whether Go reads it as a time (RFC 3339, 5.6): one that it does not read hides the whole store.
fn is_rfc_3339(text: &str) -> bool {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).filter(|it| it.bytes().all(|byte| byte.is_ascii_digit())).and_then(|it| it.parse::<u32>().ok())
    };
    let is_between = |range, least, most| digits(range).is_some_and(|number| (least..=most).contains(&number));
    let leap = digits(0..4).is_some_and(|year| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
    let last = match digits(5..7) {
        Some(2) => 28 + u32::from(leap),
        Some(4 | 6 | 9 | 11) => 30,
        _ => 31,
    };
    let has_date = is_between(0..4, 1, 9999) && is_between(5..7, 1, 12) && is_between(8..10, 1, last);
    let has_time = is_between(11..13, 0, 23) && is_between(14..16, 0, 59) && is_between(17..19, 0, 59);
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let has_marks = marks.iter().all(|(at, mark)| text.as_bytes().get(*at) == Some(mark));
    let rest = text.get(19..).unwrap_or_default();
    let fraction = rest.strip_prefix('.').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    has_date && has_time && has_marks && (rest == "Z" || fraction.is_some_and(|after| after == "Z" && rest.len() > 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_containers_storage() {
        assert_eq!(data_name("manifest"), "manifest");
        assert_eq!(data_name("sha256:ab"), "=c2hhMjU2OmFi");
        // `printf %s a | sha256sum | xxd -r -p | base32`
        assert_eq!(short("a"), "ZKLYCEWKDO64V6WCGGZZUI64JW");
        assert!(is_rfc_3339("2026-11-20T10:11:12.123456789Z") && is_rfc_3339("2026-11-20T10:11:12Z"));
        for wrong in [
            "",
            "2026",
            "2026-13-20T10:11:12Z",
            "2026-11-20 10:11:12Z",
            "2026-11-20T10:11:12",
            "2026-11-20T10:11:12.Z",
            "2026-02-29T10:11:12Z",
            "2026-11-31T10:11:12Z",
        ] {
            assert!(!is_rfc_3339(wrong), "{wrong}");
        }
        let (first, second) = (Digest::of(b"1"), Digest::of(b"2"));
        let id = layer_id(None, first);
        assert_eq!(id, first.to_string());
        assert_eq!(layer_id(Some(&id), second), Digest::of(format!("{first}+{second}").as_bytes()).to_string());
    }
}
