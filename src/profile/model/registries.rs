//! Where container images come from.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Secret;

/// Container registries, as the profile has them: whichever runtime reads it, an image keeps its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registries {
    /// Those that are searched for names without one.
    pub search: Vec<String>,
    /// What a name without one may be: `enforcing`, `permissive` or `disabled` (containers-registries.conf(5)).
    pub short_names: Option<String>,
    /// What is asked in place of a registry, in this order, before itself.
    pub mirrors: BTreeMap<Registry, Vec<Registry>>,
    /// Those that are reached by HTTP, or by HTTPS with any certificate.
    pub insecure: Vec<Registry>,
    /// Those from which nothing is pulled.
    pub blocked: Vec<Registry>,
    /// What images of a registry are signed with.
    pub verify: BTreeMap<Registry, Verification>,
    /// Whether images of all others are refused.
    pub verify_only: bool,
    /// `user:password` by registry.
    pub credentials: BTreeMap<Registry, Secret>,
    /// Whether the machine gets these.
    pub credentials_in_image: bool,
}

/// What images are signed with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// Paths of public keys in the image.
    pub keys: Vec<String>,
    /// Where signatures of OpenPGP lie.
    pub lookaside: Option<String>,
}

impl Verification {
    /// Whether the keys are sigstore's: PEM, by their names' ending (containers-policy.json(5)).
    pub fn is_sigstore(&self) -> bool {
        self.keys.iter().any(|key| key.ends_with(".pem") || key.ends_with(".pub"))
    }
}

impl Registries {
    /// Whether a registry is among the insecure ones.
    pub fn is_insecure(&self, registry: &Registry) -> bool {
        self.insecure.iter().any(|it| it.host() == registry.host())
    }

    /// All that are said something of, besides being searched or a mirror.
    pub fn named(&self) -> impl Iterator<Item = &Registry> {
        let mut all: Vec<_> = self.mirrors.keys().chain(&self.insecure).chain(&self.blocked).collect();
        all.sort();
        all.dedup();
        all.into_iter()
    }
}

/// `host[:port][/path]`, the beginning of images' names (distribution/reference, `reference.go`: `domain`,
/// `path-component`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Registry(String);

impl Registry {
    /// Reads one; a scheme, a tag or a digest does not belong to it, and a name without dot and port is no host.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, path) = text.split_once('/').map_or((text, None), |(host, path)| (host, Some(path)));
        let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        let is_label = |label: &str| {
            let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
            label.len() <= 63 && ends(label.chars().next()) && ends(label.chars().last()) && label.chars().all(inner)
        };
        let is_host = name.split('.').all(is_label) && (name.contains('.') || port.is_some() || name == "localhost");
        let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let is_part = |part: &str| {
            let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
            ends(part.chars().next()) && ends(part.chars().last()) && part.chars().all(inner)
        };
        let is_path = path.is_none_or(|path| path.split('/').all(is_part));
        (text.len() <= 255 && is_host && is_port && is_path).then(|| Self(text.to_owned()))
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Host and port of its API: Docker Hub's is not its name (distribution/reference, `defaultDomain`; containerd,
    /// `DefaultHost`).
    pub fn server(&self) -> &str {
        server(self.host())
    }

    /// What is behind them, without the slash between; nothing for a whole registry.
    pub fn path(&self) -> Option<&str> {
        self.0.split_once('/').map(|(_, path)| path)
    }
}

/// The same of a host's name.
pub(crate) fn server(host: &str) -> &str {
    if host == "docker.io" { "registry-1.docker.io" } else { host }
}

impl fmt::Display for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_the_beginning_of_a_name() {
        for (text, host, path) in [
            ("docker.io", "docker.io", None),
            ("localhost", "localhost", None),
            ("mirror:5000", "mirror:5000", None),
            ("registry.opensuse.org/kubic/x", "registry.opensuse.org", Some("kubic/x")),
            ("192.168.1.2:5000/a_b.c-d", "192.168.1.2:5000", Some("a_b.c-d")),
        ] {
            let registry = Registry::parse(text).unwrap();
            assert_eq!((registry.as_str(), registry.host(), registry.path()), (text, host, path));
        }
        for text in [
            "",
            "busybox",
            "https://docker.io",
            "docker.io/",
            "docker.io//x",
            "docker.io/X",
            "docker.io/x:latest",
            "a b.io",
            "a.io:0",
            "a.io:70000",
            "-a.io",
            "a..io",
            "a.io/x@sha256",
            "a.io\"",
        ] {
            assert_eq!(Registry::parse(text), None, "{text}");
        }
    }
}
