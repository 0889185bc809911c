//! OCI's image layout (image-spec 1.1, `image-layout.md`), with what docker's own loader reads beside it
//! (`manifest.json`, moby `image/tarexport`) and a list for ours.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::Image;
use crate::{
    cache::Digest,
    oci::manifest::REF_NAME,
    tree::{Content, Node, RelPath, Time},
};

/// What containerd calls an image that it imports (containerd 1.7, `images/archive/importer.go`).
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// All nodes, below the layout's folder.
pub(super) fn nodes(images: &[Image], blobs: &Path, time: Time) -> io::Result<BTreeMap<RelPath, Node>> {
    let mut nodes = BTreeMap::new();
    let at = |path: &str| RelPath::new(path).map_err(io::Error::other);
    for folder in ["", "blobs", "blobs/sha256"] {
        nodes.insert(at(folder)?, Node::directory(0o755, time));
    }
    let mut digests: Vec<Digest> = Vec::new();
    let (mut index, mut docker, mut list) = (Vec::new(), Vec::new(), String::new());
    for image in images {
        let file = |digest: &str| format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
        let layers: Vec<String> = image.manifest.layers.iter().map(|layer| file(&layer.digest)).collect();
        digests.extend([image.digest, image.config_digest]);
        digests.extend(image.manifest.layers.iter().filter_map(|layer| layer.sha256()));
        index.push(json!({
            "mediaType": if image.manifest.media_type.is_empty() { "application/vnd.oci.image.manifest.v1+json" } else { &image.manifest.media_type },
            "digest": format!("sha256:{}", image.digest), "size": image.size,
            "annotations": { REF_NAME: image.name, CONTAINERD_NAME: image.name },
        }));
        docker.push(json!({"Config": file(&image.manifest.config.digest), "RepoTags": [image.name], "Layers": layers}));
        list += &format!("{} sha256:{} sha256:{}\n", image.name, image.digest, image.config_digest);
    }
    for digest in digests {
        let path: PathBuf = blobs.join(digest.to_string());
        let length = fs_err::metadata(&path)?.len();
        let content = Content::Stored { path: path.into(), offset: 0, length };
        nodes.insert(at(&format!("blobs/sha256/{digest}"))?, Node::file(content, 0o644, time));
    }
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index});
    let texts = [
        ("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string()),
        ("index.json", index.to_string()),
        ("manifest.json", serde_json::Value::from(docker).to_string()),
        ("images", list),
    ];
    for (name, text) in texts {
        nodes.insert(at(name)?, Node::file(text.as_str().into(), 0o644, time));
    }
    Ok(nodes)
}
