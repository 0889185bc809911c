//! Where a repository is: a folder, or an address of the web.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use ureq::http::Uri;

use super::Error;

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
        matches!(self, Self::Web(address) if address.scheme == "http" && !address.is_loopback())
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

/// An `http:` or `https:` address. Shown without user information.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct WebAddress {
    scheme: String,
    /// `user:password`, still encoded.
    user: Option<String>,
    /// Host and port.
    host: String,
    /// Path with a leading slash, and the query.
    path: String,
}

impl WebAddress {
    pub(super) fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") || url.chars().any(|c| c.is_control() || c == ' ') {
            return None;
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host),
            None => (None, authority),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let address = Self { scheme, user, host: host.to_ascii_lowercase(), path };
        (!host.is_empty() && address.uri().is_some()).then_some(address)
    }

    /// The address of something: absolute, or relative to this folder.
    pub(super) fn join(&self, relative: &str) -> Option<Self> {
        if relative.contains("://") {
            return Self::parse(relative);
        }
        let path = self.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        Some(Self { path: format!("{path}/{}", encode(relative.trim_start_matches('/'))), ..self.clone() })
    }

    /// Where a redirection from here leads (RFC 3986, 5.2). User information goes along to the same host only; the
    /// way from `https:` to `http:` is closed.
    pub(super) fn redirect(&self, to: &str) -> Option<Self> {
        let target = if to.contains("://") {
            Self::parse(to)?
        } else if let Some(rest) = to.strip_prefix("//") {
            Self::parse(&format!("{}://{rest}", self.scheme))?
        } else {
            let folder = self.path.split('?').next().unwrap_or_default();
            let folder = &folder[..folder.rfind('/').map_or(0, |at| at + 1)];
            let path = if to.starts_with('/') { to.to_owned() } else { format!("{folder}{to}") };
            Self::parse(&format!("{}://{}{path}", self.scheme, self.host))?
        };
        if self.scheme == "https" && target.scheme == "http" {
            return None;
        }
        let same = target.host == self.host && target.scheme == self.scheme;
        let user = if same { self.user.clone() } else { None };
        Some(Self { user, ..target })
    }

    /// For the request: without user information.
    pub(super) fn uri(&self) -> Option<Uri> {
        format!("{}://{}{}", self.scheme, self.host, self.path).parse().ok()
    }

    /// `name` or `name:port`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Name and password for this host, decoded.
    pub(super) fn credentials(&self) -> Option<String> {
        decode(self.user.as_deref()?)
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.rsplit_once(':').map_or(self.host.as_str(), |(host, _)| host);
        host == "localhost" || host == "[::1]" || host.parse().is_ok_and(|host: std::net::Ipv4Addr| host.is_loopback())
    }
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.host, self.path)
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebAddress({self})")
    }
}

/// An address without `user:password@`, for messages and files.
pub fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// Undoes percent-encoding; nothing when the result is no text.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut nibble = || char::from(rest.next()?).to_digit(16);
                // Two hexadecimal digits never exceed 255.
                (nibble()? << 4 | nibble()?) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

/// Percent-encodes what may not stand in a path; what is encoded already stays.
fn encode(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'%' | b'+' | b':' | b'@' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')'
            | b'*' | b',' | b';' | b'=' => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
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
    fn credentials_stay_with_their_host() {
        let base = WebAddress::parse("https://me:s%40crt@host/repo/x").unwrap();
        assert_eq!(base.credentials().unwrap(), "me:s@crt");
        assert!(!format!("{base:?} {base}").contains("crt"));
        for (to, leads, keeps) in [
            ("/y", "https://host/y", true),
            ("y", "https://host/repo/y", true),
            ("https://host/z", "https://host/z", true),
            ("https://host:444/z", "https://host:444/z", false),
            ("//mirror/z", "https://mirror/z", false),
            ("https://you:pw@mirror/z", "https://mirror/z", false),
        ] {
            let target = base.redirect(to).unwrap();
            assert_eq!((target.to_string().as_str(), target.credentials().is_some()), (leads, keeps));
        }
        for to in ["http://host/x", "ftp://host/x", "file:///etc/passwd"] {
            assert_eq!(base.redirect(to), None);
        }
        assert_eq!(without_user("https://me:pw@host/x@y"), "https://host/x@y");
        assert_eq!(without_user("dir:/a@b"), "dir:/a@b");
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
        let web = WebAddress::parse("http://h/repo/").unwrap();
        assert_eq!(web.join("noarch/a b+c.rpm").unwrap().to_string(), "http://h/repo/noarch/a%20b+c.rpm");
        assert_eq!(web.join("https://other/a.rpm").unwrap().to_string(), "https://other/a.rpm");
    }
}
