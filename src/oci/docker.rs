//! What `docker save` and `podman save` write: `manifest.json` lists images with their configurations and layers
//! (moby, `image/tarexport`, "Image Filesystem Changeset" specification 1.2). It has no digests: they are made here.

use std::io::{self, Read};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::{
    Descriptor, Fault, MAX_DOCUMENT, Source,
    archive::Archive,
    manifest::{MAX_LAYER, Manifest, REF_NAME},
    take::copy,
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
        let saved = chosen(preload, &all, name)?;
        let mut files = Vec::new();
        let mut describe = |name: &String, media_type: &str| -> Result<Descriptor, Box<dyn std::error::Error>> {
            let (digest, descriptor) = described(&archive, name, media_type)?;
            files.push((digest, name.clone()));
            Ok(descriptor)
        };
        let mut make = || -> Result<Vec<u8>, Box<dyn std::error::Error>> {
            let layers = saved.layers.iter().map(|layer| describe(layer, LAYER)).collect::<Result<_, _>>()?;
            let config = describe(&saved.config, CONFIG)?;
            Ok(serde_json::to_vec(&Manifest { schema_version: 2, media_type: MANIFEST.into(), config, layers })?)
        };
        let manifest = make().map_err(|error| failed(error.as_ref()))?;
        let name = saved.tags().first().map(|tag| full(tag));
        Ok(Self { preload, archive, files, manifest, name })
    }
}

impl Saved {
    fn tags(&self) -> &[String] {
        self.repo_tags.as_deref().unwrap_or_default()
    }
}

/// The image of that name, or the only one.
fn chosen<'all>(preload: &Preload, all: &'all [Saved], name: Option<&str>) -> Result<&'all Saved, Box<Fault>> {
    let what = &preload.what;
    let names: Vec<&String> = all.iter().flat_map(Saved::tags).collect();
    let listed = |shown: &dyn Fn(&str) -> String| names.iter().map(|name| shown(name)).collect::<Vec<_>>().join(", ");
    let fault = |message: String, hint: String| Box::new(Fault::of(preload, message).hint(hint));
    let found = match name {
        Some(name) => all.iter().find(|saved| saved.tags().iter().any(|tag| same(tag, name))),
        None if all.len() > 1 => {
            let hint = format!("say which: {}", listed(&|name| format!("`{what}:{name}`")));
            return Err(fault(format!("`{what}` has {} images", all.len()), hint));
        }
        None => all.first(),
    };
    found.ok_or_else(|| {
        fault(format!("`{what}` has no image of that name"), format!("it has {}", listed(&|name| name.to_owned())))
    })
}

/// A file of the archive's as a blob; a layer's media type says how it is packed.
fn described(
    archive: &Archive,
    name: &str,
    media_type: &str,
) -> Result<(Digest, Descriptor), Box<dyn std::error::Error>> {
    let (mut file, size) = archive.get(name)?;
    if size > MAX_LAYER {
        return Err(format!("`{}` is too large", name.escape_debug()).into());
    }
    let (mut hasher, mut start) = (Sha256::new(), Vec::new());
    copy::<std::convert::Infallible>(&mut file, |bytes| {
        start.extend(bytes.iter().take(4_usize.saturating_sub(start.len())));
        hasher.update(bytes);
        Ok(())
    })?;
    let packed = match start.as_slice() {
        [0x1f, 0x8b, ..] if media_type == LAYER => "+gzip",
        [0x28, 0xb5, 0x2f, 0xfd] if media_type == LAYER => "+zstd",
        _ => "",
    };
    let digest = Digest::finish(hasher);
    let media_type = format!("{media_type}{packed}");
    Ok((digest, Descriptor { media_type, digest: format!("sha256:{digest}"), size, ..Descriptor::default() }))
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
