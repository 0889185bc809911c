//! The reviewable record of what was chosen: a [`Resolution`] per distribution, platform and architecture, and back.
//!
//! ```yaml
//! lock: 1
//! sections:
//!   opensuse-tumbleweed/x86/x86_64:
//!     asked: {recommends: false, install: [bash, podman], forbid: [], languages: []}
//!     epoch: 1764000000
//!     repositories:
//!       - {alias: oss, revision: "1764000000", time: 1764000000, key: "AD48…", repomd: "2cf2…"}
//!     packages:
//!       - {name: bash, evr: "5.2-1", arch: x86_64, repository: oss, path: x86_64/bash-5.2-1.x86_64.rpm, size: 1, sha256: "9f86…", for: ["kubic.yaml:7"]}
//!     images: []
//!     tools: []
//! ```
//!
//! One line a package, sorted, so that a difference of two locks is what a reviewer wants to see. `asked` says for
//! which requests it was made; `path` lets a locked build fetch without any metadata: the SHA-256 is the trust.

mod change;
mod text;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    cache::Digest,
    profile::{Arch, Place, Profile},
    repo::Packages,
    report::{Exit, Explain, Report},
    solve::{Chosen, Pin, Resolution, Wish},
    units::{Bytes, Epoch},
};

pub use change::Change;

/// Version of the format.
const FORMAT: u32 = 1;
/// Largest lock that is read. Ours; 5,000 packages for ten sections are some 15 MB.
const MAX_SIZE: u64 = 64 << 20;

/// A lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    lock: u32,
    /// By `distribution/platform/arch`.
    #[serde(default)]
    pub sections: BTreeMap<String, Section>,
}

/// What was chosen for one distribution, platform and architecture.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// What it was chosen for.
    pub asked: Asked,
    /// The newest build time of a package, in seconds since 1970.
    pub epoch: Epoch,
    /// What the repositories were.
    pub repositories: Vec<Repository>,
    /// Sorted by name.
    pub packages: Vec<Package>,
    /// Container images, by reference.
    #[serde(default)]
    pub images: Vec<Image>,
    /// Packages of the tool root, which is never in the image: what a builder of another architecture runs itself.
    #[serde(default)]
    pub tools: Vec<Package>,
}

/// Everything of the profile that decides which packages are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Whether recommended packages come along.
    pub recommends: bool,
    /// Requests, sorted.
    pub install: Vec<String>,
    /// What is forbidden, sorted.
    pub forbid: Vec<String>,
    /// Languages, sorted.
    pub languages: Vec<String>,
}

/// A repository as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Its alias.
    pub alias: String,
    /// `revision` of its `repomd.xml`.
    pub revision: String,
    /// The newest time in that, in seconds since 1970.
    pub time: i64,
    /// Fingerprint of the key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// SHA-256 of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repomd: Option<Digest>,
}

/// A chosen package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Name.
    pub name: String,
    /// `[epoch:]version-release`.
    pub evr: String,
    /// Architecture.
    pub arch: String,
    /// Alias of its repository.
    pub repository: String,
    /// Path below the repository, or a whole address.
    pub path: String,
    /// Size of the package file.
    pub size: Bytes,
    /// Of the package file.
    pub sha256: Digest,
    /// `file:line` of the requests that it is there for, itself or through others.
    #[serde(rename = "for", default)]
    pub places: Vec<String>,
}

/// A container image, pinned.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// As the profile writes it.
    pub reference: String,
    /// `sha256:…` of the manifest for this architecture.
    pub digest: String,
}

/// Why a lock cannot be used or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read the lock `{path}`")]
    Read {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not a lock.
    #[error("`{path}` is not a lock: {fault}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// It was written by a later rowi.
    #[error("`{path}` is a lock of version {found}; this rowi reads version {FORMAT}")]
    Version {
        /// The lock.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// `--locked`, and nothing is locked.
    #[error("`{path}` has nothing for {section}, and `--locked` forbids to choose")]
    Unlocked {
        /// The lock.
        path: PathBuf,
        /// `distribution/platform/arch`.
        section: String,
    },
    /// `--locked`, and the profile asks for something else.
    #[error("`{path}` was made for other requests, and `--locked` forbids to choose anew: {}", list(changes))]
    Outdated {
        /// The lock.
        path: PathBuf,
        /// What differs.
        changes: Vec<Change>,
    },
    /// A package of which only another checksum is known, before it was fetched.
    #[error("the SHA-256 of package `{0}` is not known before it is fetched")]
    Unpinned(String),
    /// It cannot be written.
    #[error("cannot write the lock `{path}`")]
    Write {
        /// The lock.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn list(changes: &[Change]) -> String {
    changes.iter().map(Change::to_string).collect::<Vec<_>>().join("; ")
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } => Exit::Host,
            Self::Unpinned(_) => Exit::Build,
            _ => Exit::Usage,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Malformed { path, .. } => vec![format!("remove `{}` and run `rowi lock`", path.display())],
            Self::Unlocked { .. } | Self::Outdated { .. } => {
                vec!["run `rowi lock`, look at the difference, and build again".into()]
            }
            _ => Vec::new(),
        }
    }
}

impl Default for Lock {
    fn default() -> Self {
        Self { lock: FORMAT, sections: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads a lock; one that is not there is empty.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.to_owned(), source };
        let malformed = |fault: String| Error::Malformed { path: path.to_owned(), fault };
        let file = match fs_err::File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(failed)?,
        };
        let mut text = Vec::new();
        file.take(MAX_SIZE + 1).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_SIZE {
            return Err(malformed(format!("it is larger than {MAX_SIZE} bytes")));
        }
        let text = String::from_utf8(text).map_err(|_| malformed("it is not UTF-8".into()))?;
        match text::version(&text) {
            Some(FORMAT) => text::parse(&text).map_err(malformed),
            Some(found) => Err(Error::Version { path: path.to_owned(), found }),
            None => Err(malformed(format!("it has no line `lock: {FORMAT}`"))),
        }
    }

    /// Replaces the file at once; whoever reads it sees the old or the new one.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let mut file = tempfile::Builder::new().permissions(permissions()).tempfile_in(folder)?;
            file.write_all(self.to_string().as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// What `--locked` builds: the section of that name, if it was made for this wish.
    pub fn locked(&self, path: &Path, section: &str, wish: &Wish) -> Result<&Section, Error> {
        let path = path.to_owned();
        let Some(found) = self.sections.get(section) else {
            return Err(Error::Unlocked { path, section: section.to_owned() });
        };
        match found.asked.changes(&Asked::of(wish)) {
            changes if changes.is_empty() => Ok(found),
            changes => Err(Error::Outdated { path, changes }),
        }
    }
}

/// Like any text file of the user's: what the umask leaves of 0666.
fn permissions() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}

/// The name of a profile's section.
pub fn section(profile: &Profile) -> String {
    format!("{}/{}/{}", profile.distribution.name, profile.platform, profile.arch)
}

impl Asked {
    /// What a wish asks for.
    pub fn of(wish: &Wish) -> Self {
        let sorted = |texts: Vec<String>| {
            let mut texts = texts;
            texts.sort();
            texts.dedup();
            texts
        };
        let texts =
            |list: &[crate::profile::Request]| sorted(list.iter().map(|request| request.what.clone()).collect());
        Self {
            recommends: wish.recommends,
            install: texts(&wish.install),
            forbid: texts(&wish.forbid),
            languages: sorted(wish.languages.clone()),
        }
    }
}

impl Section {
    /// The record of a resolution; every package's SHA-256 must be known ([`Resolution::pin`]).
    pub fn of(wish: &Wish, resolution: &Resolution) -> Result<Self, Error> {
        let repositories = resolution.repositories.iter().map(|source| Repository {
            alias: source.alias.clone(),
            revision: source.state.revision.clone(),
            time: source.state.time,
            key: source.state.key.clone(),
            repomd: source.state.repomd,
        });
        let packages = resolution.packages.iter().map(|package| Package::of(package, resolution));
        Ok(Self {
            asked: Asked::of(wish),
            epoch: resolution.epoch(),
            repositories: repositories.collect(),
            packages: packages.collect::<Result<_, _>>()?,
            images: Vec::new(),
            tools: Vec::new(),
        })
    }

    /// With container images: what the profile writes, and the SHA-256 of the manifest.
    #[must_use]
    pub fn with_images(mut self, images: impl Iterator<Item = (String, Digest)>) -> Self {
        self.images =
            images.map(|(reference, digest)| Image { reference, digest: format!("sha256:{digest}") }).collect();
        self.images.sort();
        self.images.dedup();
        self
    }

    /// The manifests of container images by what the profile writes.
    ///
    /// # Errors
    /// One of them is not locked; `path` is the lock's.
    pub fn pinned_images(&self, path: &Path, references: &[&str]) -> Result<BTreeMap<String, Digest>, Error> {
        let digest = |image: &Image| image.digest.strip_prefix("sha256:")?.parse().ok();
        let pinned: BTreeMap<String, Digest> =
            self.images.iter().filter_map(|image| Some((image.reference.clone(), digest(image)?))).collect();
        let unpinned = references.iter().filter(|reference| !pinned.contains_key(**reference));
        match unpinned.map(|reference| Change::Asked((*reference).to_owned())).collect::<Vec<_>>() {
            changes if changes.is_empty() => Ok(pinned),
            changes => Err(Error::Outdated { path: path.to_owned(), changes }),
        }
    }

    /// With a tool root; every package's SHA-256 must be known.
    pub fn with_tools(mut self, tools: &Resolution) -> Result<Self, Error> {
        let packages = tools.packages.iter().map(|package| Package::of(package, tools));
        self.tools = packages.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Its packages as [`Wish::locked`] takes them: chosen anew, nothing changes that need not.
    pub fn pins(&self) -> Vec<Pin> {
        let pin = |package: &Package| Pin {
            name: package.name.clone(),
            evr: package.evr.clone(),
            arch: package.arch.clone(),
        };
        self.packages.iter().map(pin).collect()
    }

    /// Warns of repositories that are older than when this was locked: a mirror is behind, or hides updates.
    pub fn warn_older(&self, packages: &Packages, report: &Report) {
        for offer in &packages.offers {
            let known = self.repositories.iter().find(|repository| repository.alias == offer.alias);
            if let Some(known) = known.filter(|known| offer.state.is_older_than(&known.revision)) {
                report.warn(offer.older_than(&known.revision, "is locked"));
            }
        }
    }

    /// The resolution again, as far as a build needs it.
    pub fn to_resolution(&self) -> Resolution {
        self.resolution(&self.packages)
    }

    /// The tool root of a builder of that architecture, if it was locked.
    pub fn to_tools(&self, arch: Arch) -> Option<Resolution> {
        let of_arch = self.tools.iter().any(|package| package.arch == arch.as_str());
        of_arch.then(|| self.resolution(&self.tools))
    }

    fn resolution(&self, packages: &[Package]) -> Resolution {
        let repositories = self.repositories.iter().map(|repository| crate::solve::Source {
            alias: repository.alias.clone(),
            state: crate::repo::State {
                revision: repository.revision.clone(),
                key: repository.key.clone(),
                time: repository.time,
                repomd: repository.repomd,
            },
        });
        let packages = packages.iter().map(|package| package.to_chosen(self.epoch));
        Resolution { packages: packages.collect(), repositories: repositories.collect() }
    }
}

impl Package {
    fn of(package: &Chosen, resolution: &Resolution) -> Result<Self, Error> {
        let root = resolution.why(&package.name);
        let asked = if package.asked.is_empty() { root.first().map(|root| root.asked.as_slice()) } else { None };
        let mut places: Vec<String> = asked
            .unwrap_or(&package.asked)
            .iter()
            .map(|place| format!("{}:{}", place.file.display(), place.line))
            .collect();
        places.sort();
        places.dedup();
        Ok(Self {
            name: package.name.clone(),
            evr: package.evr.clone(),
            arch: package.arch.clone(),
            repository: package.repository.clone(),
            path: package.location.clone(),
            size: package.size,
            sha256: package.checksum.digest().ok_or_else(|| Error::Unpinned(package.name.clone()))?,
            places,
        })
    }

    fn to_chosen(&self, epoch: Epoch) -> Chosen {
        let place = |text: &String| {
            let (file, line) = text.rsplit_once(':').unwrap_or((text, ""));
            Place { file: file.into(), line: line.parse().unwrap_or(0), column: 1 }
        };
        Chosen {
            name: self.name.clone(),
            evr: self.evr.clone(),
            arch: self.arch.clone(),
            repository: self.repository.clone(),
            location: self.path.clone(),
            size: self.size,
            checksum: self.sha256.into(),
            build_time: epoch,
            installed_size: Bytes(0),
            asked: self.places.iter().map(place).collect(),
            reason: None,
        }
    }
}

#[cfg(test)]
mod tests;
