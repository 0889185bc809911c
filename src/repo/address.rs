//! Where a repository is: a folder, or an address of the web.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::Error;
use crate::web::{WebAddress, decode, without_user};

/// A repository's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// `dir:` and `file:`.
    Folder(PathBuf),
    /// `http:` and `https:`.
    Web(WebAddress),
}

impl Address {
    /// Reads a repository's address.
    pub(super) fn parse(alias: &str, url: &str) -> Result<Self, Error> {
        let wrong =
            |fault: &str| Err(Error::Address { alias: alias.into(), url: without_user(url), fault: fault.into() });
        let Some((scheme, rest)) = url.split_once(':') else { return wrong("not an address") };
        match scheme {
            "dir" | "file" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                match decode(path) {
                    Some(path) if !path.is_empty() => Ok(Self::Folder(path.into())),
                    _ => wrong("without a readable path"),
                }
            }
            "http" | "https" => match WebAddress::parse(url) {
                Some(address) => Ok(Self::Web(address)),
                None => wrong("not a web address"),
            },
            _ => wrong("of a kind that is not supported"),
        }
    }

    /// Whether everything that comes from there could be anyone's.
    pub(super) fn is_insecure(&self) -> bool {
        matches!(self, Self::Web(address) if address.is_plain() && !address.is_loopback())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "{}", path.display()),
            Self::Web(address) => write!(f, "{address}"),
        }
    }
}

/// A path below a repository, without a way out of it.
pub(super) fn below(folder: &Path, relative: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    let mut depth = 0_usize;
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                depth = depth.checked_sub(1)?;
                path.pop();
            }
            part => {
                depth += 1;
                path.push(part);
            }
        }
    }
    (depth > 0 && !relative.contains('\0')).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (url, shown) in [
            ("dir:/srv/repo", "/srv/repo"),
            ("dir:///srv/my%20repo", "/srv/my repo"),
            ("file:///srv/repo", "/srv/repo"),
            ("dir:../repo", "../repo"),
            ("https://user:pw@Example.org/a/b?c", "https://example.org/a/b?c"),
            ("http://127.0.0.1:80", "http://127.0.0.1:80/"),
        ] {
            assert_eq!(Address::parse("r", url).unwrap().to_string(), shown);
        }
        for url in ["", "repo", "dir:", "ftp://x/y", "http://", "http://a b/", "dir:%zz", "http:///x", "https://x/\n"] {
            assert!(Address::parse("r", url).is_err(), "{url}");
        }
    }

    #[test]
    fn paths_stay_below_their_repository() {
        let repo = Path::new("/srv/repo");
        assert_eq!(below(repo, "x86_64/./a.rpm").unwrap(), Path::new("/srv/repo/x86_64/a.rpm"));
        assert_eq!(below(repo, "a/../b.rpm").unwrap(), Path::new("/srv/repo/b.rpm"));
        assert_eq!(below(repo, "/etc/shadow").unwrap(), Path::new("/srv/repo/etc/shadow"));
        for path in ["../x", "a/../../x", "..", "", "a\0"] {
            assert_eq!(below(repo, path), None);
        }
    }
}
