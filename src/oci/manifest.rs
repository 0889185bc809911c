//! Manifests, indexes and configurations (OCI image-spec 1.1, `manifest.md`, `image-index.md`, `config.md`; docker's
//! schema 2 has the same members under other media types).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{cache::Digest, profile::Arch, units::Bytes};

/// Largest manifest, index or configuration (distribution-spec 1.1: registries take at least so much).
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Most layers of one image. Ours; docker has 127.
const MAX_LAYERS: usize = 500;
/// Largest layer, packed or not. Ours.
pub const MAX_LAYER: u64 = 16 << 30;

/// `org.opencontainers.image.ref.name`: the tag in a layout's index (`annotations.md`).
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Points to a blob.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// `sha256:…`.
    pub digest: String,
    /// In bytes.
    pub size: u64,
    /// For which machine, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// What else is said of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Where else it is: layers that may not be handed on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

impl Descriptor {
    /// Its SHA-256; other digests are not read.
    pub fn sha256(&self) -> Option<Digest> {
        self.digest.strip_prefix("sha256:")?.parse().ok()
    }
}

/// For which machine an image is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// As Go names it: `amd64`, `arm64`.
    pub architecture: String,
    /// As Go names it.
    pub os: String,
}

impl Platform {
    /// Go's name of a processor (`GOARCH`).
    pub fn architecture(arch: Arch) -> &'static str {
        match arch {
            Arch::X86_64 => "amd64",
            Arch::Aarch64 => "arm64",
        }
    }

    /// Whether it is that machine, with Linux.
    pub fn is(&self, arch: Arch) -> bool {
        self.os == "linux" && self.architecture == Self::architecture(arch)
    }
}

/// A manifest or an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// A list of images, for several machines or under several names.
    Index(Vec<Descriptor>),
}

/// One image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// 2.
    pub schema_version: u32,
    /// What this is.
    #[serde(default)]
    pub media_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// Layers, the lowest first.
    pub layers: Vec<Descriptor>,
}

impl Document {
    /// Reads one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Index {
            manifests: Vec<Descriptor>,
        }
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let wrong = |error: serde_json::Error| error.to_string();
        if value.get("manifests").is_some() {
            let index: Index = serde_json::from_value(value).map_err(wrong)?;
            return Ok(Self::Index(index.manifests));
        }
        if value.get("schemaVersion").and_then(serde_json::Value::as_u64) == Some(1) {
            return Err("it is of docker's schema 1, which nothing has written since 2017".into());
        }
        let manifest: Manifest = serde_json::from_value(value).map_err(wrong)?;
        if manifest.layers.len() > MAX_LAYERS {
            return Err(format!("it has more than {MAX_LAYERS} layers"));
        }
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            blob.sha256().ok_or_else(|| format!("`{}` is no SHA-256", blob.digest.escape_debug()))?;
            if blob.size > MAX_LAYER {
                return Err(format!("`{}` has more than {}", blob.digest, Bytes(MAX_LAYER)));
            }
            if !blob.urls.is_empty() {
                return Err("a layer of it is not in the image, but elsewhere (`urls`)".into());
            }
        }
        Ok(Self::Manifest(manifest))
    }
}

/// What is said of an image's contents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// For which machine.
    #[serde(flatten)]
    pub platform: Platform,
    /// Its layers.
    pub rootfs: RootFs,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created: Option<String>,
}

/// Layers of a configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct RootFs {
    /// `sha256:…` of each layer's tar, unpacked.
    pub diff_ids: Vec<String>,
}

impl Config {
    /// Reads one that goes with a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8], manifest: &Manifest) -> Result<Self, String> {
        let config: Self = serde_json::from_slice(bytes).map_err(|error| format!("its configuration: {error}"))?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err("its configuration has other layers than its manifest".into());
        }
        if let Some(wrong) = config.rootfs.diff_ids.iter().find(|id| sha256(id).is_none()) {
            return Err(format!("its configuration: `{}` is no SHA-256", wrong.escape_debug()));
        }
        Ok(config)
    }

    /// SHA-256 of each layer's tar.
    pub fn diff_ids(&self) -> impl Iterator<Item = Digest> {
        self.rootfs.diff_ids.iter().filter_map(|id| sha256(id))
    }
}

fn sha256(text: &str) -> Option<Digest> {
    text.strip_prefix("sha256:")?.parse().ok()
}
