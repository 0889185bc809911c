//! What `docker save` and `podman save` write: `manifest.json` lists images with their configurations and layers
//! (moby, `image/tarexport`, "Image Filesystem Changeset" specification 1.2). It has no digests: they are made here.

use std::io::{self, Read};

use serde::Deserialize;

use super::{
    Archive, Descriptor, Fault, MAX_DOCUMENT, Source, copy,
    manifest::{MAX_LAYER, Manifest, REF_NAME},
};
use crate::{cache::Digest, profile::Preload};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// One image of an archive, with the manifest that it would have.
pub(super) struct Docker<'a> {
    preload: &'a Preload,
    archive: Archive,
    /// Which file has which digest.
    files: Vec<(Digest, String)>,
    manifest: Vec<u8>,
    /// The first name that it has.
    name: Option<String>,
}

/// An image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl<'a> Docker<'a> {
    pub(super) fn open(preload: &'a Preload, archive: Archive, name: Option<&str>) -> Result<Self, Box<Fault>> {
        let fault = |message: String| Box::new(Fault::of(preload, message));
        let failed =
            |error: &dyn std::error::Error| Box::new(fault(format!("cannot read `{}`", preload.what)).because(error));
        let all: Vec<Saved> = archive
            .get("manifest.json")
            .and_then(|(file, _)| serde_json::from_reader(file.take(MAX_DOCUMENT)).map_err(io::Error::from))
            .map_err(|error| {
                Box::new(
                    failed(&error)
                        .hint("`docker save` writes such an archive; one of OCI's layout is an `oci-archive:`"),
                )
            })?;
        let tags = |saved: &Saved| saved.repo_tags.clone().unwrap_or_default();
        let names: Vec<String> = all.iter().flat_map(tags).collect();
        let chosen = match name {
            Some(name) => all.iter().find(|saved| tags(saved).iter().any(|tag| same(tag, name))),
            None if all.len() > 1 => {
                let hint = names.iter().map(|name| format!("`{}:{name}`", preload.what)).collect::<Vec<_>>().join(", ");
                return Err(Box::new(
                    fault(format!("`{}` has {} images", preload.what, all.len())).hint(format!("say which: {hint}")),
                ));
            }
            None => all.first(),
        };
        let Some(saved) = chosen else {
            return Err(Box::new(
                fault(format!("`{}` has no image of that name", preload.what))
                    .hint(format!("it has {}", names.join(", "))),
            ));
        };
        let mut files = Vec::new();
        let mut descriptor = |name: &str, media_type: &str| -> Result<Descriptor, Box<dyn std::error::Error>> {
            let (mut file, size) = archive.get(name)?;
            if size > MAX_LAYER {
                return Err(format!("`{}` is too large", name.escape_debug()).into());
            }
            let (mut hasher, mut start) = (<sha2::Sha256 as sha2::Digest>::new(), Vec::new());
            copy::<std::convert::Infallible>(&mut file, |bytes| {
                start.extend(bytes.iter().take(4_usize.saturating_sub(start.len())));
                sha2::Digest::update(&mut hasher, bytes);
                Ok(())
            })?;
            let packed = match start.as_slice() {
                [0x1f, 0x8b, ..] => "+gzip",
                [0x28, 0xb5, 0x2f, 0xfd] => "+zstd",
                _ => "",
            };
            let digest = Digest::finish(hasher);
            files.push((digest, name.to_owned()));
            let media_type = if media_type == LAYER { format!("{media_type}{packed}") } else { media_type.to_owned() };
            Ok(Descriptor { media_type, digest: format!("sha256:{digest}"), size, ..Descriptor::default() })
        };
        let mut make = || -> Result<Manifest, Box<dyn std::error::Error>> {
            let layers = saved.layers.iter().map(|layer| descriptor(layer, LAYER)).collect::<Result<_, _>>()?;
            Ok(Manifest {
                schema_version: 2,
                media_type: MANIFEST.into(),
                config: descriptor(&saved.config, CONFIG)?,
                layers,
            })
        };
        let manifest =
            make().and_then(|manifest| Ok(serde_json::to_vec(&manifest)?)).map_err(|error| failed(error.as_ref()))?;
        let name = tags(saved).into_iter().next().map(|tag| full(&tag));
        Ok(Self { preload, archive, files, manifest, name })
    }
}

/// docker writes names of its own hub in short.
fn full(tag: &str) -> String {
    let first = tag.split('/').next().unwrap_or_default();
    let has_registry = tag.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    if has_registry { tag.to_owned() } else { format!("docker.io/{tag}") }
}

/// Whether two names are the same one.
fn same(tag: &str, name: &str) -> bool {
    let parse = |text: &str| crate::profile::Reference::parse(&full(text));
    tag == name || parse(tag).is_some_and(|tag| parse(name) == Some(tag))
}

impl Source for Docker<'_> {
    fn begin(&mut self) -> Result<Vec<u8>, Box<Fault>> {
        let digest = Digest::of(&self.manifest);
        let mut entry = Descriptor {
            media_type: MANIFEST.into(),
            digest: format!("sha256:{digest}"),
            size: self.manifest.len() as u64,
            ..Descriptor::default()
        };
        entry.annotations.extend(self.name.clone().map(|name| (REF_NAME.to_owned(), name)));
        let index = serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        Ok(index.to_string().into_bytes())
    }

    fn open(&mut self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Box<Fault>> {
        if blob.sha256() == Some(Digest::of(&self.manifest)) {
            return Ok(Box::new(self.manifest.as_slice()));
        }
        let name = self.files.iter().find(|(digest, _)| blob.sha256() == Some(*digest)).map_or("", |(_, name)| name);
        match self.archive.get(name) {
            Ok((file, _)) => Ok(Box::new(file)),
            Err(error) => {
                Err(Box::new(Fault::of(self.preload, format!("cannot read `{}`", self.preload.what)).because(&error)))
            }
        }
    }
}
