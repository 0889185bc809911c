//! Container images that are in the image, and the names by which runtimes know them.

use std::{fmt, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Place, Registry};
use crate::cache::Digest;

/// A container image that the image is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preload {
    /// As it is written.
    pub what: String,
    /// Where it is.
    pub source: ImageSource,
    /// The name that it gets; nothing: its own.
    pub name: Option<Reference>,
    /// What its manifest, or the index that lists it, must be.
    pub digest: Option<Digest>,
    /// The line that asks.
    pub place: Place,
}

/// Where a container image is (containers-transports(5)).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// A folder of OCI's layout, and which of its images.
    Layout(PathBuf, Option<String>),
    /// The same in a tar archive.
    OciArchive(PathBuf, Option<String>),
    /// What `docker save` writes, and which of its images.
    DockerArchive(PathBuf, Option<String>),
    /// A registry.
    Registry(Reference),
}

impl ImageSource {
    /// Reads one; `beside` makes a path of what the profile says.
    ///
    /// # Errors
    /// What is wrong with it, and what to write instead.
    pub fn parse(text: &str, beside: impl Fn(&str) -> PathBuf) -> Result<Self, (String, String)> {
        let split = |rest: &str| match rest.split_once(':') {
            Some((path, image)) => (beside(path), Some(image.to_owned())),
            None => (beside(rest), None),
        };
        let (make, rest): (fn(PathBuf, Option<String>) -> Self, _) = match text.split_once(':') {
            Some(("oci", rest)) => (Self::Layout, rest),
            Some(("oci-archive", rest)) => (Self::OciArchive, rest),
            Some(("docker-archive", rest)) => (Self::DockerArchive, rest),
            Some(("docker", rest)) if rest.starts_with("//") => {
                let hint = format!("`{}`", rest.trim_start_matches('/'));
                return Err((format!("`{}` names a way that is the usual one", text.escape_debug()), hint));
            }
            _ => {
                return Reference::parse(text).map(Self::Registry).ok_or_else(|| {
                    let hint = "registry, name and tag or digest, as `registry.opensuse.org/opensuse/busybox:latest`; `oci:DIR`, `oci-archive:FILE` or `docker-archive:FILE` for one that lies here";
                    (format!("`{}` names no container image", text.escape_debug()), hint.to_owned())
                });
            }
        };
        if rest.is_empty() || rest.starts_with(':') {
            return Err((format!("`{}` has no path", text.escape_debug()), "`oci:DIR`, or `oci:DIR:TAG`".into()));
        }
        let (path, image) = split(rest);
        Ok(make(path, image))
    }

    /// The file or folder, of those that are one.
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::Layout(path, _) | Self::OciArchive(path, _) | Self::DockerArchive(path, _) => Some(path),
            Self::Registry(_) => None,
        }
    }
}

/// `registry/name:tag`, or `registry/name@sha256:…`, in full (distribution/reference, `reference.go`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Reference {
    registry: String,
    name: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Text that names no image in full.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a container image")]
pub struct InvalidReference;

impl Reference {
    /// Reads one. It has its registry: what is searched for elsewhere is nobody's name. Without tag and digest it is
    /// `latest`, and one word on `docker.io` is `library/…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.strip_prefix("sha256:")?.parse().ok()?)),
            None => (text, None),
        };
        let slash = rest.rfind('/')?;
        let (repository, tag) = match rest[slash..].find(':') {
            Some(at) => (&rest[..slash + at], Some(&rest[slash + at + 1..])),
            None => (rest, None),
        };
        let registry = Registry::parse(repository)?;
        let name = match registry.path()? {
            name if registry.host() == "docker.io" && !name.contains('/') => format!("library/{name}"),
            name => name.to_owned(),
        };
        let is_tag = |tag: &str| {
            let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
            !tag.is_empty() && tag.len() <= 128 && !tag.starts_with(['.', '-']) && tag.chars().all(inner)
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return None;
        }
        let tag = tag.or(if digest.is_none() { Some("latest") } else { None }).map(str::to_owned);
        Some(Self { registry: registry.host().to_owned(), name, tag, digest })
    }

    /// Host and port.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Its path on the registry.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the registry is asked for.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// What it must be.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// The name in a runtime's store: a tag stands for the image that it names here.
    pub fn local(&self) -> String {
        match (&self.tag, self.digest) {
            (None, Some(digest)) => format!("{}/{}@sha256:{digest}", self.registry, self.name),
            (tag, _) => format!("{}/{}:{}", self.registry, self.name, tag.as_deref().unwrap_or("latest")),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.name)?;
        self.tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(f, "@sha256:{digest}"))
    }
}

impl From<Reference> for String {
    fn from(reference: Reference) -> Self {
        reference.to_string()
    }
}

impl TryFrom<String> for Reference {
    type Error = InvalidReference;

    fn try_from(text: String) -> Result<Self, InvalidReference> {
        Self::parse(&text).ok_or(InvalidReference)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_is_read_in_full() {
        let pinned = format!("docker.io/busybox:1.36@{DIGEST}");
        let bare = format!("quay.io/a/b@{DIGEST}");
        for (text, full, local) in [
            ("docker.io/busybox", "docker.io/library/busybox:latest", "docker.io/library/busybox:latest"),
            ("localhost:5000/a/b_c:v1.2-3", "localhost:5000/a/b_c:v1.2-3", "localhost:5000/a/b_c:v1.2-3"),
            (&pinned, &format!("docker.io/library/busybox:1.36@{DIGEST}"), "docker.io/library/busybox:1.36"),
            (&bare, &bare, &bare),
        ] {
            let reference = Reference::parse(text).unwrap();
            assert_eq!((reference.to_string().as_str(), reference.local().as_str()), (full, local));
            assert_eq!(Reference::parse(full), Some(reference));
        }
        for text in [
            "busybox",
            "library/busybox",
            "docker.io/",
            "docker.io/x:",
            "docker.io/x:-a",
            "docker.io/x@sha256:1",
            "docker.io/X",
        ] {
            assert_eq!(Reference::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_source_says_its_kind() {
        let parse = |text: &str| ImageSource::parse(text, |path| PathBuf::from("/profiles").join(path));
        assert_eq!(parse("oci:images/a"), Ok(ImageSource::Layout("/profiles/images/a".into(), None)));
        let named = Some("docker.io/library/a:1".to_owned());
        assert_eq!(
            parse("docker-archive:/a.tar:docker.io/library/a:1"),
            Ok(ImageSource::DockerArchive("/a.tar".into(), named))
        );
        assert!(matches!(parse("quay.io/a/b:1"), Ok(ImageSource::Registry(_))));
        for text in ["busybox", "oci:", "oci::tag", "docker://quay.io/a"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
