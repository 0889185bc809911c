//! The rpm database as it grows: a package's header goes in once its files are placed, and is on disk before anything
//! runs in the root that could ask for it. After the last scriptlet it is read back and written anew, canonically.
//!
//! It lies where the root's own rpm looks for it, in the format that this rpm has: `%_dbpath` and `%_db_backend` of the macro
//! files that are installed. Until these are there, the distribution's file says the format, and it lies where a package
//! says it will: `/usr/lib/sysimage/rpm` if one has that folder, else `/var/lib/rpm`.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use super::{Error, Installed, Settings, fate::Fate, macros, package::Package, place::Root};
use crate::{
    rpm::{Header, export::Installation},
    rpmdb::{
        self, Backend, Database,
        pubkey::{self, Importer},
    },
    tree::RelPath,
    units::Epoch,
};

const NEW_PLACE: &str = "usr/lib/sysimage/rpm";
const OLD_PLACE: &str = "var/lib/rpm";
/// What imports the keys into a root that has no rpm of its own: the version that we follow.
const RPM_VERSION: &str = "4.20.1";

/// Headers that are on disk, and those that are not yet.
#[derive(Debug)]
pub(super) struct Store {
    folder: RelPath,
    backend: Backend,
    pending: Vec<Header>,
    /// Whether there is a file.
    begun: bool,
    /// Whether macro files came since the last look.
    look_again: bool,
    epoch: Epoch,
    /// Trusted keys, which come last.
    keys: Vec<Header>,
}

impl Store {
    pub(super) fn new(packages: &[Package], settings: &Settings) -> Result<Self, Error> {
        let owned =
            packages.iter().flat_map(|package| &package.files).any(|file| file.path.as_bytes() == NEW_PLACE.as_bytes());
        let place = if owned { NEW_PLACE } else { OLD_PLACE };
        let folder = RelPath::new(place).expect("both are paths");
        let keys = pubkey::headers(&settings.keys, settings.epoch, &importer(packages))?;
        let backend = settings.install.rpmdb;
        Ok(Self { folder, backend, pending: Vec::new(), begun: false, look_again: false, epoch: settings.epoch, keys })
    }

    /// The keys as `rpm -qa` lists them.
    pub(super) fn keys(&self) -> Vec<Installed> {
        let name = |key: &Header| key.name().unwrap_or_default().into_owned();
        let installed = |key| Installed { name: name(key), evr: key.evr().to_string(), arch: String::new() };
        self.keys.iter().map(installed).collect()
    }

    /// Adds a package. All times are the epoch: an image knows no other.
    pub(super) fn add(&mut self, package: &Package, fates: &[Fate]) -> Result<(), Error> {
        let time = u32::try_from(self.epoch.0).unwrap_or(0);
        let file_states = fates.iter().map(|fate| fate.state()).collect();
        let installation = Installation { time, transaction: time, color: 0, file_states };
        let fault = |source| Error::Package { package: package.label.clone(), source };
        self.pending.push(package.rpm.installed(&installation).map_err(fault)?);
        self.look_again |= package.files.iter().any(|file| macros::is_macro_file(&file.path));
        Ok(())
    }

    /// Writes what is not on disk yet. Nothing stays open: the root's own rpm may write to it too.
    pub(super) fn flush(&mut self, root: &mut Root) -> Result<(), Error> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.move_if_needed(root)?;
        let folder = self.host_folder(root)?;
        let how = if self.begun { Database::open } else { Database::create };
        let mut database = how(self.backend, &folder)?;
        for header in self.pending.drain(..) {
            database.add(&header)?;
        }
        database.close()?;
        self.begun = true;
        Ok(())
    }

    /// Writes all of it anew: the same packages give the same bytes.
    pub(super) fn finish(mut self, root: &mut Root) -> Result<(), Error> {
        self.pending.append(&mut self.keys);
        self.move_if_needed(root)?;
        let folder = self.host_folder(root)?;
        if self.begun {
            self.flush(root)?;
            Ok(rpmdb::rewrite(self.backend, &folder, self.epoch)?)
        } else {
            Ok(rpmdb::write_canonical(self.backend, &folder, &self.pending.iter().collect::<Vec<_>>())?)
        }
    }

    /// The folder as the host names it: rpm's may be a link within the root.
    fn host_folder(&self, root: &mut Root) -> Result<PathBuf, Error> {
        let opened =
            root.make_folder(&self.folder).map_err(|source| Error::io("make the rpm database's folder", source))?;
        path_of(&opened).map_err(|source| Error::io("find the rpm database's folder", source))
    }

    fn move_if_needed(&mut self, root: &mut Root) -> Result<(), Error> {
        if !std::mem::take(&mut self.look_again) {
            return Ok(());
        }
        let told = macros::database(root).map_err(|source| Error::io("read the root's rpm macros", source))?;
        let folder = told.folder.unwrap_or_else(|| self.folder.clone());
        let backend = told.backend.unwrap_or(self.backend);
        if (&folder, backend) == (&self.folder, self.backend) {
            return Ok(());
        }
        let old = if self.begun { Some((self.backend, self.host_folder(root)?)) } else { None };
        (self.folder, self.backend) = (folder, backend);
        let Some((format, old)) = old else { return Ok(()) };
        let new = self.host_folder(root)?;
        rpmdb::convert((format, &old), (self.backend, &new))?;
        // A package's folder that has other files stays.
        let _ = fs_err::remove_dir(old);
        Ok(())
    }
}

/// The root's own rpm. A distribution's addition to the version (`4.20.1+dfsg`) is not rpm's.
fn importer(packages: &[Package]) -> Importer {
    let rpm = packages.iter().find(|package| package.name == "rpm");
    let version = rpm.map_or(RPM_VERSION, |rpm| rpm.evr.version.as_str());
    let own = version.find(|c: char| c != '.' && !c.is_ascii_digit()).map_or(version, |end| &version[..end]);
    let sequoia = packages.iter().any(|package| package.name.contains("rpm-sequoia"));
    Importer { version: own.to_owned(), sequoia }
}

fn path_of(folder: &OwnedFd) -> io::Result<PathBuf> {
    fs_err::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
}
