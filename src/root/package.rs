//! A package file with everything that its installation needs of its header.

use std::path::{Path, PathBuf};

use super::Error;
use crate::rpm::{
    self, Capabilities, Evr, FileEntry, FileTrigger, Scriptlets, Tag, Trigger, capabilities, files, scriptlets,
    triggers,
};

/// A package that is to be installed.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its file. Who calls has checked it against the lock and its signature.
    pub path: PathBuf,
    /// Its headers.
    pub rpm: rpm::Package,
    /// Name.
    pub name: String,
    /// Architecture.
    pub arch: String,
    /// Epoch, version and release.
    pub evr: Evr,
    /// `name-version-release.arch`, for messages as rpm writes them.
    pub label: String,
    /// Its files in the header's order.
    pub files: Vec<FileEntry>,
    /// Its scriptlets.
    pub scriptlets: Scriptlets,
    /// What other packages set off.
    pub triggers: Vec<Trigger>,
    /// What files of packages set off, package by package.
    pub file_triggers: Vec<FileTrigger>,
    /// What files set off, once for all.
    pub transaction_file_triggers: Vec<FileTrigger>,
    /// What it provides and needs.
    pub capabilities: Capabilities,
    /// Where its relocatable parts are; scriptlets see them as variables.
    pub prefixes: Vec<String>,
}

impl Package {
    /// Reads a package file's headers.
    ///
    /// # Errors
    /// It cannot be read, breaks rpm's rules, or is a source package.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = fs_err::File::open(path).map_err(|source| Error::io("open a package", source))?;
        Self::read(path, file).map_err(|source| Error::Package { package: path.display().to_string(), source })
    }

    fn read(path: &Path, file: fs_err::File) -> rpm::Result<Self> {
        let rpm = rpm::Package::read(std::io::BufReader::new(file))?;
        if rpm.header.has(Tag::SOURCEPACKAGE) || !rpm.header.has(Tag::SOURCERPM) && rpm.header.has(Tag::BASENAMES) {
            return Err(rpm::Error::NotAPackage { found: "a source package".into() });
        }
        let header = &rpm.header;
        let name = header.name().unwrap_or_default().into_owned();
        let arch = header.arch().unwrap_or_default().into_owned();
        let evr = header.evr();
        Ok(Self {
            path: path.into(),
            label: format!("{name}-{}-{}.{arch}", evr.version, evr.release),
            files: files::files(header)?,
            scriptlets: scriptlets::scriptlets(header),
            triggers: triggers::triggers(header)?,
            file_triggers: triggers::file_triggers(header)?,
            transaction_file_triggers: triggers::transaction_file_triggers(header)?,
            capabilities: capabilities::capabilities(header)?,
            prefixes: header.string_array(Tag::PREFIXES),
            rpm,
            name,
            arch,
            evr,
        })
    }
}
