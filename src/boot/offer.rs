//! The second disk: packages that an update installs, in a folder that zypper takes as a repository.

use std::{collections::BTreeMap, io, path::Path};

use ::rpm::{BuildConfig, CompressionType, FileOptions, PackageBuilder};

use super::Error;
use crate::{disk, image, profile::Format, report::Report, tree::Content, units::Epoch};

/// The disk's serial number, by which the machine finds it.
pub(super) const SERIAL: &str = "rowi-offer";
/// What the update installs.
pub(super) const PACKAGE: &str = "rowi-check";
/// A file of that package.
pub(super) const FILE: &str = "/usr/share/rowi-check";

/// A moment that does not matter, so that the packages are the same every time.
const EPOCH: Epoch = Epoch(1_790_000_000);

/// Makes the disk: of the package files in a folder, else of a package of our own.
pub(super) fn make(to: &Path, folder: Option<&Path>, report: &Report) -> Result<(), Error> {
    let failed = |source| Error::Io { what: "write the disk with the update's packages", source };
    let files = match folder {
        Some(folder) => {
            in_folder(folder).map_err(|source| Error::Io { what: "read the folder of packages", source })?
        }
        None => own()?,
    };
    let disk = disk::of_files(&files, EPOCH).map_err(failed)?;
    let file = fs_err::File::create(to).map_err(failed)?;
    image::write_to(&disk, Format::Raw, &file, "offer", report).map_err(failed)
}

fn in_folder(folder: &Path) -> io::Result<BTreeMap<String, Content>> {
    let mut files = BTreeMap::new();
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.ends_with(".rpm") {
            let length = fs_err::metadata(&path)?.len();
            files.insert(name, Content::Stored { path: path.into(), offset: 0, length });
        }
    }
    match files.is_empty() {
        true => Err(io::Error::new(io::ErrorKind::NotFound, format!("no `*.rpm` in `{}`", folder.display()))),
        false => Ok(files),
    }
}

/// One package with one file.
fn own() -> Result<BTreeMap<String, Content>, Error> {
    let config = BuildConfig::v4().compression(CompressionType::Gzip);
    let config = config.source_date(u32::try_from(EPOCH.0).unwrap_or_default());
    let mut package = PackageBuilder::new(PACKAGE, "1", "MIT", "noarch", "A package that rowi boot installs");
    package.using_config(config).release("1").description("Brought in from outside by `rowi boot --check --update`.");
    package.with_file_contents("1\n", FileOptions::new(FILE))?;
    let mut bytes = Vec::new();
    package.build()?.write(&mut bytes)?;
    Ok([(format!("{PACKAGE}.rpm"), bytes.into())].into())
}
