//! 3b. Container images that the profile names, into the cache: each the one for the image's own machine, every blob
//! held against its digest.
//!
//! ```text
//! Preload ─→ layout, archive or registry ─→ manifest for the machine ─→ configuration, layers ─→ Image
//! ```
//!
//! What is read is other people's: documents are bounded, digests are checked, and nothing is unpacked here but whole
//! archives. How the images then lie in the root is [`crate::system`]'s.

mod archive;
mod docker;
mod error;
mod layout;
pub mod manifest;
mod registry;
mod take;

use std::{collections::BTreeMap, io::Read, path::PathBuf};

pub(crate) use archive::check as check_headers;
pub use error::{Error, Fault};
pub use manifest::{Config, Document, Manifest, Platform};

use crate::{
    cache::{Cache, Digest},
    plan,
    profile::{Arch, Preload, Registries},
    report::Report,
    units::Bytes,
};
use manifest::{Descriptor, MAX_DOCUMENT};
use take::Taker;

/// A container image whose blobs are in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// As the profile writes it.
    pub what: String,
    /// The name that runtimes know it by.
    pub name: String,
    /// Its manifest.
    pub manifest: Digest,
    /// All blobs: the manifest, the configuration, the layers.
    pub blobs: BTreeMap<Digest, PathBuf>,
    /// Bytes of them.
    pub size: Bytes,
}

impl Image {
    /// As the plan has it.
    pub fn to_plan(&self) -> plan::Image {
        plan::Image { name: self.name.clone(), size: self.size, sha256: self.manifest.to_string() }
    }
}

/// What images are taken with.
#[derive(Clone, Copy, Debug)]
pub struct Access<'a> {
    /// Where blobs go.
    pub cache: &'a Cache,
    /// Who hears of it.
    pub report: &'a Report,
    /// Whether the network may not be used.
    pub offline: bool,
    /// Mirrors, and what may be reached by HTTP: as in the image itself.
    pub registries: &'a Registries,
    /// `user:password` by registry, before those of the user's own files.
    pub logins: &'a BTreeMap<String, String>,
}

/// Brings images into the cache. `pins` are digests of manifests by what the profile writes: such an image is that one
/// or none.
///
/// # Errors
/// All images that cannot be had or are not what they should be.
pub fn take(
    wanted: &[Preload],
    arch: Arch,
    pins: &BTreeMap<String, Digest>,
    access: &Access<'_>,
) -> Result<Vec<Image>, Error> {
    let (mut images, mut faults): (Vec<Image>, Vec<Fault>) = (Vec::new(), Vec::new());
    for preload in wanted {
        let pin = pins.get(&preload.what).copied();
        match (Taker { preload, arch, pin, access }).take() {
            Ok(image) => match images.iter().find(|other| other.name == image.name && other.manifest != image.manifest)
            {
                Some(other) => {
                    let message = format!("`{}` and `{}` both are `{}`", other.what, image.what, image.name);
                    faults.push(Fault::of(preload, message).hint("`name:` gives one of them another name"));
                }
                None => images.push(image),
            },
            Err(fault) => faults.push(*fault),
        }
    }
    if faults.is_empty() { Ok(images) } else { Err(Error(faults)) }
}

/// Gives blobs, and the document that all begins with.
trait Source {
    /// The outermost document: what a registry has under a name, a layout's `index.json`.
    fn begin(&mut self) -> Result<Vec<u8>, Box<Fault>>;
    /// A blob's bytes, not yet checked.
    fn open(&mut self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Box<Fault>>;
}

#[cfg(test)]
mod tests;
