//! OCI's image layout, as a folder or in an archive (image-spec 1.1, `image-layout.md`).

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::{Descriptor, Fault, MAX_DOCUMENT, Source, archive::Archive};
use crate::profile::Preload;

/// A layout.
pub(super) struct Layout<'a> {
    preload: &'a Preload,
    place: Place,
}

enum Place {
    Folder(PathBuf),
    Archive(Archive),
}

impl<'a> Layout<'a> {
    pub(super) fn folder(preload: &'a Preload, path: &Path) -> Self {
        Self { preload, place: Place::Folder(path.to_owned()) }
    }

    pub(super) fn archive(preload: &'a Preload, archive: Archive) -> Self {
        Self { preload, place: Place::Archive(archive) }
    }

    fn file(&self, name: &str) -> io::Result<Box<dyn Read>> {
        match &self.place {
            Place::Archive(archive) => Ok(Box::new(archive.get(name)?.0)),
            Place::Folder(folder) => {
                let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(folder.join(name))?;
                if file.metadata()?.is_file() { Ok(Box::new(file)) } else { Err(io::Error::other("it is not a file")) }
            }
        }
    }

    fn failed(&self, name: &str, error: &io::Error) -> Box<Fault> {
        Box::new(Fault::of(self.preload, format!("cannot read `{name}` of `{}`", self.preload.what)).because(error))
    }
}

impl Source for Layout<'_> {
    fn begin(&mut self) -> Result<Vec<u8>, Box<Fault>> {
        let read = |name: &str| {
            let mut bytes = Vec::new();
            self.file(name)?.take(MAX_DOCUMENT).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read("index.json").map_err(|error: io::Error| {
            let fault = self.failed("index.json", &error);
            match read("manifest.json") {
                Ok(_) => Box::new(fault.hint("it looks like what `docker save` writes: `docker-archive:FILE`")),
                Err(_) => Box::new(fault.hint("a layout has `oci-layout`, `index.json` and `blobs/`")),
            }
        })
    }

    fn open(&mut self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Box<Fault>> {
        // The digest was checked to be hexadecimal.
        let name = format!("blobs/{}", blob.digest.replace(':', "/"));
        self.file(&name).map_err(|error| self.failed(&name, &error))
    }
}
