//! One image: from what the profile writes to its blobs in the cache.

use std::{collections::BTreeMap, io::Read, path::Path};

use super::{
    Access, Config, Document, Fault, Image, Manifest, Platform, Source,
    archive::Archive,
    docker, layout,
    manifest::{self, Descriptor, MAX_DOCUMENT},
    registry,
};
use crate::{
    cache::{Cache, Digest, Kind},
    profile::{Arch, ImageSource, Preload, Reference},
    units::Bytes,
};

/// Takes one image.
pub(super) struct Taker<'a> {
    pub(super) preload: &'a Preload,
    pub(super) arch: Arch,
    pub(super) pin: Option<Digest>,
    pub(super) access: &'a Access<'a>,
}

impl Taker<'_> {
    pub(super) fn take(&self) -> Result<Image, Box<Fault>> {
        let preload = self.preload;
        match &preload.source {
            ImageSource::Layout(path, name) => self.from(&mut layout::Layout::folder(preload, path), name.as_deref()),
            ImageSource::OciArchive(path, name) => {
                let archive = self.archive(path)?;
                self.from(&mut layout::Layout::archive(preload, archive), name.as_deref())
            }
            ImageSource::DockerArchive(path, name) => {
                let archive = self.archive(path)?;
                let mut docker = docker::Docker::open(preload, archive, name.as_deref())?;
                self.from(&mut docker, None)
            }
            ImageSource::Registry(reference) => {
                let digest = self.pin.or(preload.digest).or(reference.digest());
                self.from(&mut registry::Registry::new(preload, reference, digest, self.access), None)
            }
        }
    }

    fn archive(&self, path: &Path) -> Result<Archive, Box<Fault>> {
        let failed =
            |source| Box::new(Fault::of(self.preload, format!("cannot read `{}`", path.display())).because(&source));
        Archive::open(path, self.access.cache).map_err(failed)
    }

    /// Through an index, and perhaps one in it, to the manifest and all its blobs.
    fn from(&self, source: &mut dyn Source, name: Option<&str>) -> Result<Image, Box<Fault>> {
        let fault = |message: String| Box::new(Fault::of(self.preload, message));
        let wrong = |why: String| fault(format!("`{}` is no container image: {why}", self.preload.what));
        let mut bytes = source.begin()?;
        let mut seen = vec![Digest::of(&bytes)];
        let mut called = None;
        for depth in 0.. {
            match Document::parse(&bytes).map_err(wrong)? {
                Document::Manifest(manifest) => {
                    self.is_wanted(&seen)?;
                    return self.blobs(source, &bytes, &manifest, called);
                }
                Document::Index(_) if depth == 3 => return Err(wrong("its indexes have no end".into())),
                Document::Index(entries) => {
                    let entry = self.choose(&entries, if depth == 0 { name } else { None })?;
                    called = called.or_else(|| entry.annotations.get(manifest::REF_NAME).cloned());
                    let digest = entry.sha256().ok_or_else(|| wrong(format!("`{}` is no SHA-256", entry.digest)))?;
                    bytes = self.document(source, entry)?;
                    seen.push(digest);
                }
            }
        }
        unreachable!("the last depth returns")
    }

    /// A layout says of its index what a person wants of it, and of an index for which machines its images are.
    fn choose<'a>(&self, entries: &'a [Descriptor], name: Option<&str>) -> Result<&'a Descriptor, Box<Fault>> {
        let (what, arch) = (&self.preload.what, self.arch);
        let fault = |message: String| Box::new(Fault::of(self.preload, message));
        let called = |entry: &Descriptor| entry.annotations.get(manifest::REF_NAME).cloned();
        let named: Vec<&Descriptor> = match name {
            Some(name) => entries.iter().filter(|entry| called(entry).as_deref() == Some(name)).collect(),
            None => entries.iter().collect(),
        };
        let mut names: Vec<String> = Vec::new();
        for name in entries.iter().filter_map(called) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if named.is_empty() {
            let hint =
                if names.is_empty() { "it has no names at all".into() } else { format!("it has {}", names.join(", ")) };
            return Err(Box::new(fault(format!("`{what}` has no image of that name")).hint(hint)));
        }
        if name.is_none() && names.len() > 1 {
            let hint = format!(
                "say which: {}",
                names.iter().map(|name| format!("`{what}:{name}`")).collect::<Vec<_>>().join(", ")
            );
            return Err(Box::new(fault(format!("`{what}` has {} images", names.len())).hint(hint)));
        }
        // Without a platform it is whatever its configuration says.
        let fits = |entry: &&&Descriptor| entry.platform.as_ref().is_none_or(|platform| platform.is(arch));
        named.iter().find(fits).copied().ok_or_else(|| {
            let machines = named.iter().filter_map(|entry| entry.platform.as_ref());
            let machines: Vec<String> = machines.map(|it| format!("{}/{}", it.os, it.architecture)).collect();
            self.other_machine(&machines.join(", "))
        })
    }

    fn other_machine(&self, machines: &str) -> Box<Fault> {
        let wanted = Platform::architecture(self.arch);
        let message = format!("`{}` is for {machines}, and this image is for linux/{wanted}", self.preload.what);
        Box::new(
            Fault::of(self.preload, message).hint("an image for this architecture, or `only: {arch: […]}` on the item"),
        )
    }

    /// A document of an index's, as long and of the digest that it says.
    fn document(&self, source: &mut dyn Source, entry: &Descriptor) -> Result<Vec<u8>, Box<Fault>> {
        let digest = self.keep(source, entry, MAX_DOCUMENT)?;
        self.read(digest)
    }

    /// A document that is in the cache.
    fn read(&self, digest: Digest) -> Result<Vec<u8>, Box<Fault>> {
        let fault = |error: &dyn std::error::Error| {
            Box::new(
                Fault::of(self.preload, format!("cannot read a document of `{}`", self.preload.what)).because(error),
            )
        };
        let path = self.access.cache.object(digest).map_err(|error| fault(&error))?;
        let path = path.ok_or_else(|| fault(&std::io::Error::from(std::io::ErrorKind::NotFound)))?;
        fs_err::read(path).map_err(|error| fault(&error))
    }

    /// Into the cache, unless it is there.
    fn keep(&self, source: &mut dyn Source, blob: &Descriptor, most: u64) -> Result<Digest, Box<Fault>> {
        let what = &self.preload.what;
        let fault = |message: String| Box::new(Fault::of(self.preload, message));
        let digest = blob.sha256().ok_or_else(|| fault(format!("`{what}`: `{}` is no SHA-256", blob.digest)))?;
        if blob.size > most {
            return Err(fault(format!("`{what}`: `{}` has more than {}", blob.digest, Bytes(most))));
        }
        let cache = self.access.cache;
        let kept = cache
            .object(digest)
            .map_err(|error| Box::new(fault("cannot look into the cache".into()).because(&error)))?;
        if kept.is_some() {
            return Ok(digest);
        }
        let mut from = source.open(blob)?;
        keep_as(cache, &mut from, blob.size, digest).map_err(|error| {
            let fault =
                fault(format!("`{what}`: its blob `{}` is not what its digest says, or cannot be read", blob.digest));
            Box::new(
                fault
                    .because(error.as_ref())
                    .hint("it was changed or cut short on its way: take it again from where it comes from"),
            )
        })?;
        Ok(digest)
    }

    /// The digest that the profile, the reference or the lock name is among those that led here.
    fn is_wanted(&self, seen: &[Digest]) -> Result<(), Box<Fault>> {
        let preload = self.preload;
        let by_name = match &preload.source {
            ImageSource::Registry(reference) => reference.digest(),
            _ => None,
        };
        for (digest, whose) in [(preload.digest, "the profile"), (by_name, "its name"), (self.pin, "the lock")] {
            if let Some(digest) = digest.filter(|digest| !seen.contains(digest)) {
                let found = seen.last().map_or_else(String::new, Digest::to_string);
                let message = format!("`{}` is not the image that {whose} names", preload.what);
                let mut fault = Fault::of(preload, message);
                fault.diagnostic.because.push(format!("expected sha256:{digest}, found sha256:{found}"));
                return Err(Box::new(match whose {
                    "the lock" => fault.hint("`rowi lock` pins what is there now, and shows what changed"),
                    _ => fault.hint("whoever made it knows which of the two is right"),
                }));
            }
        }
        Ok(())
    }

    fn blobs(
        &self,
        source: &mut dyn Source,
        bytes: &[u8],
        manifest: &Manifest,
        called: Option<String>,
    ) -> Result<Image, Box<Fault>> {
        let cache = self.access.cache;
        let fault = |message: String| Box::new(Fault::of(self.preload, message));
        let what = &self.preload.what;
        let name = self.name(called)?;
        let config = self.document(source, &manifest.config)?;
        let config =
            Config::parse(&config, manifest).map_err(|why| fault(format!("`{what}` is no container image: {why}")))?;
        if !config.platform.is(self.arch) {
            return Err(self.other_machine(&format!("{}/{}", config.platform.os, config.platform.architecture)));
        }
        let kept = |error: crate::cache::Error| Box::new(fault(format!("cannot keep `{what}`")).because(&error));
        let digest = cache.put(Kind::Image, bytes).map_err(kept)?;
        let mut blobs = vec![digest];
        for blob in manifest.layers.iter().chain([&manifest.config]) {
            blobs.push(self.keep(source, blob, manifest::MAX_LAYER)?);
        }
        let mut found = BTreeMap::new();
        for blob in blobs {
            let path = cache.object(blob).map_err(kept)?;
            found.insert(blob, path.ok_or_else(|| fault(format!("`{what}`: a blob of it went away")))?);
        }
        let unique: BTreeMap<&str, u64> =
            manifest.layers.iter().chain([&manifest.config]).map(|blob| (blob.digest.as_str(), blob.size)).collect();
        let size = Bytes(unique.values().sum::<u64>() + bytes.len() as u64);
        Ok(Image { what: what.clone(), name, manifest: digest, blobs: found, size })
    }

    /// The profile's name for it, else its own.
    fn name(&self, called: Option<String>) -> Result<String, Box<Fault>> {
        let preload = self.preload;
        if let Some(name) = &preload.name {
            return Ok(name.local());
        }
        if let ImageSource::Registry(reference) = &preload.source {
            return Ok(reference.local());
        }
        let name = called.as_deref().and_then(Reference::parse);
        name.map(|name| name.local()).ok_or_else(|| {
            let own = called.map_or("no name".into(), |called| format!("only the name `{}`", called.escape_debug()));
            let message = format!("`{}` has {own}, and containers are started by a full one", preload.what);
            Box::new(
                Fault::of(preload, message).hint(format!("`{{image: \"{}\", name: localhost/app:1}}`", preload.what)),
            )
        })
    }
}

/// Bytes of a size into the cache, if they are of that digest.
fn keep_as(cache: &Cache, from: &mut dyn Read, size: u64, digest: Digest) -> Result<(), Box<dyn std::error::Error>> {
    let mut writer = cache.writer(Kind::Image, size)?;
    copy(from, |bytes| writer.write(bytes))?;
    Ok(writer.finish_as(digest)?)
}

/// Hands everything that a reader gives to `take`.
pub(super) fn copy<E>(
    from: &mut dyn Read,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), Box<dyn std::error::Error>>
where
    E: std::error::Error + 'static,
{
    let mut buffer = vec![0; 1 << 17];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(()),
            length => take(&buffer[..length])?,
        }
    }
}
