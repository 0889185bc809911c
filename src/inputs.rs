//! 4a. What the user's files are, by digest: overlays, single files and scripts become [`Inputs`].
//!
//! This is the last read of anything of the user's: each content is copied once, under its digest, into a folder of
//! rowi's own, and later stages see only that. Modes and owners come from rules and from `overlays/NAME.yaml`, never
//! from the checkout, whose umask is nobody's wish (`ENGINEERING` I.21).

use std::{
    collections::BTreeMap,
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::{
    plan::{InputFile, InputKind, InputScript},
    profile::{self, ExtraFile, FileSource, Overlay, Place, Profile},
    report::{Diagnostic, Exit, Explain},
};

/// Largest file that is taken from the user. Ours: contents are hashed and copied whole.
const MAX_FILE: u64 = 4 << 30;

/// The user's files, in the order in which they are laid over the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inputs {
    /// Folders, files and links; a later one at the same path wins.
    pub files: Vec<InputFile>,
    /// Programs to run in the root.
    pub scripts: Vec<InputScript>,
}

/// Why a file of the user's cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An overlay or file that a profile names is not there or cannot be read.
    #[error("cannot read {what}")]
    Read {
        /// `overlay `kubic``, `file `motd.txt``.
        what: String,
        /// The line that names it.
        place: Place,
        /// Why.
        source: io::Error,
    },
    /// A device, pipe or socket in an overlay.
    #[error("overlay `{overlay}` holds `{path}`, which is neither a file, a folder nor a link")]
    Special {
        /// The overlay.
        overlay: String,
        /// Path in it.
        path: PathBuf,
        /// The line that names the overlay.
        place: Place,
    },
    /// The exceptions beside an overlay cannot be read.
    #[error("`{file}` is not a list of exceptions: {fault}")]
    Exceptions {
        /// `overlays/NAME.yaml`.
        file: PathBuf,
        /// What the reader says.
        fault: String,
        /// The line that names the overlay.
        place: Place,
    },
    /// Rowi's own copy cannot be written.
    #[error("cannot keep a copy of the inputs in `{folder}`")]
    Store {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Store { .. } => Exit::Host,
            _ => Exit::Usage,
        }
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostic = Diagnostic::from_chain(self);
        match self {
            Self::Read { place, .. } | Self::Special { place, .. } | Self::Exceptions { place, .. } => {
                diagnostic.place = Some(place.clone());
            }
            Self::Store { .. } => {}
        }
        vec![diagnostic]
    }
}

/// Copies everything that the profile names into `folder`, each content as a file named by its SHA-256.
///
/// # Errors
/// Something named is missing, unreadable or of a kind that an image cannot get from here.
pub fn resolve(profile: &Profile, folder: &Path) -> Result<Inputs, Error> {
    let store = Store { folder };
    let mut inputs = Inputs::default();
    for overlay in &profile.overlays {
        inputs.files.extend(store.overlay(overlay)?);
    }
    for file in &profile.files {
        inputs.files.push(store.extra_file(file)?);
    }
    for script in &profile.scripts {
        let what = format!("script `{}`", script.run.display());
        let bytes = read(&script.run).map_err(|source| Error::Read { what, place: script.place.clone(), source })?;
        let name = script.run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        inputs.scripts.push(InputScript { name, sha256: store.keep(&bytes)?, at: script.at });
    }
    Ok(inputs)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if fs_err::metadata(path)?.len() > MAX_FILE {
        return Err(io::Error::other("it is larger than 4 GiB"));
    }
    fs_err::read(path)
}

/// Rowi's copies.
struct Store<'a> {
    folder: &'a Path,
}

impl Store<'_> {
    /// Keeps `bytes` under their digest.
    fn keep(&self, bytes: &[u8]) -> Result<String, Error> {
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let path = self.folder.join(&digest);
        let write = || {
            fs_err::create_dir_all(self.folder)?;
            if !path.exists() {
                fs_err::write(&path, bytes)?;
                fs_err::set_permissions(&path, PermissionsExt::from_mode(0o444))?;
            }
            Ok(digest.clone())
        };
        write().map_err(|source| Error::Store { folder: self.folder.to_owned(), source })
    }

    fn extra_file(&self, file: &ExtraFile) -> Result<InputFile, Error> {
        let kind = match &file.source {
            FileSource::Content(text) => InputKind::File { sha256: self.keep(text.as_bytes())? },
            FileSource::Link(target) => InputKind::Symlink { target: target.clone() },
            FileSource::Source(path) => {
                let what = format!("file `{}`", path.display());
                let bytes = read(path).map_err(|source| Error::Read { what, place: file.place.clone(), source })?;
                InputKind::File { sha256: self.keep(&bytes)? }
            }
        };
        Ok(InputFile {
            path: file.path.clone(),
            kind,
            mode: file.mode,
            owner: file.owner.clone(),
            group: file.group.clone(),
            origin: "files".into(),
        })
    }

    fn overlay(&self, overlay: &Overlay) -> Result<Vec<InputFile>, Error> {
        let mut files = match &overlay.folder {
            Some(folder) => self.folder_overlay(overlay, folder)?,
            None => self.built_in_overlay(overlay)?,
        };
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    fn built_in_overlay(&self, overlay: &Overlay) -> Result<Vec<InputFile>, Error> {
        let missing = || Error::Read {
            what: format!("overlay `{}`", overlay.name),
            place: overlay.place.clone(),
            source: io::ErrorKind::NotFound.into(),
        };
        let built_in = profile::built_in_overlay(&overlay.name).ok_or_else(missing)?;
        let mut files: BTreeMap<String, InputFile> = BTreeMap::new();
        for entry in built_in {
            let mut folder = entry.path;
            while let Some((parent, _)) = folder.rsplit_once('/') {
                files
                    .entry(format!("/{parent}"))
                    .or_insert_with(|| input(overlay, &format!("/{parent}"), InputKind::Directory, 0o755));
                folder = parent;
            }
            let path = format!("/{}", entry.path);
            let mode = if entry.executable { 0o755 } else { 0o644 };
            let kind = InputKind::File { sha256: self.keep(entry.bytes)? };
            files.insert(path.clone(), input(overlay, &path, kind, mode));
        }
        Ok(files.into_values().collect())
    }

    fn folder_overlay(&self, overlay: &Overlay, folder: &Path) -> Result<Vec<InputFile>, Error> {
        let mut files = Vec::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(at) = folders.pop() {
            let unreadable = |source| Error::Read {
                what: format!("overlay `{}`", overlay.name),
                place: overlay.place.clone(),
                source,
            };
            for entry in fs_err::read_dir(&at).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                let kind = fs_err::symlink_metadata(&path).map_err(unreadable)?;
                let below = path.strip_prefix(folder).unwrap_or(&path);
                let name = format!("/{}", String::from_utf8_lossy(below.as_os_str().as_bytes()));
                files.push(if kind.is_dir() {
                    folders.push(path.clone());
                    input(overlay, &name, InputKind::Directory, 0o755)
                } else if kind.is_symlink() {
                    let target = fs_err::read_link(&path).map_err(unreadable)?.to_string_lossy().into_owned();
                    input(overlay, &name, InputKind::Symlink { target }, 0o777)
                } else if kind.is_file() {
                    let mode = if kind.permissions().mode() & 0o100 != 0 { 0o755 } else { 0o644 };
                    let bytes = read(&path).map_err(unreadable)?;
                    input(overlay, &name, InputKind::File { sha256: self.keep(&bytes)? }, mode)
                } else {
                    let (overlay, place) = (overlay.name.clone(), overlay.place.clone());
                    return Err(Error::Special { overlay, path: below.to_owned(), place });
                });
            }
        }
        Exceptions::beside(overlay, folder)?.apply(&mut files);
        Ok(files)
    }
}

/// An entry of an overlay, root's.
fn input(overlay: &Overlay, path: &str, kind: InputKind, mode: u32) -> InputFile {
    InputFile {
        path: path.to_owned(),
        kind,
        mode,
        owner: "root".into(),
        group: "root".into(),
        origin: format!("overlay {}", overlay.name),
    }
}

/// `overlays/NAME.yaml`: modes and owners that are not the rule, by absolute path.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct Exceptions(BTreeMap<String, Exception>);

/// What differs for one path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exception {
    owner: Option<String>,
    group: Option<String>,
    mode: Option<String>,
}

impl Exceptions {
    fn beside(overlay: &Overlay, folder: &Path) -> Result<Self, Error> {
        let file = folder.with_extension("yaml");
        let Ok(text) = fs_err::read_to_string(&file) else {
            return Ok(Self::default());
        };
        let wrong = |fault: String| Error::Exceptions { file: file.clone(), fault, place: overlay.place.clone() };
        let exceptions: Self = serde_yaml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        for (path, exception) in &exceptions.0 {
            if exception.mode.as_ref().is_some_and(|mode| octal(mode).is_none()) {
                return Err(wrong(format!("the mode of `{path}` is not octal")));
            }
        }
        Ok(exceptions)
    }

    fn apply(&self, files: &mut [InputFile]) {
        for file in files {
            let Some(exception) = self.0.get(&file.path) else { continue };
            file.owner = exception.owner.clone().unwrap_or_else(|| file.owner.clone());
            file.group = exception.group.clone().unwrap_or_else(|| file.group.clone());
            file.mode = exception.mode.as_deref().and_then(octal).unwrap_or(file.mode);
        }
    }
}

fn octal(mode: &str) -> Option<u32> {
    u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkouts_umask_changes_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("site");
        fs_err::create_dir_all(folder.join("etc")).unwrap();
        fs_err::write(folder.join("etc/motd"), "hello\n").unwrap();
        fs_err::write(folder.join("etc/run"), "#!/bin/sh\n").unwrap();
        fs_err::os::unix::fs::symlink("motd", folder.join("etc/link")).unwrap();
        fs_err::write(base.path().join("site.yaml"), "/etc/motd: {mode: \"0600\", group: adm}\n").unwrap();
        let overlay = Overlay { name: "site".into(), folder: Some(folder.clone()), place: Place::default() };
        let store = Store { folder: &base.path().join("inputs") };
        let resolve = |file_mode, run_mode| {
            let set = |name, mode| fs_err::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
            set("etc/motd", file_mode);
            set("etc/run", run_mode);
            store.overlay(&overlay).unwrap()
        };
        let files = resolve(0o644, 0o755);
        let modes: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.mode, file.group.as_str())).collect();
        assert_eq!(
            modes,
            [
                ("/etc", 0o755, "root"),
                ("/etc/link", 0o777, "root"),
                ("/etc/motd", 0o600, "adm"),
                ("/etc/run", 0o755, "root")
            ]
        );
        assert_eq!(resolve(0o666, 0o700), files);
    }
}
