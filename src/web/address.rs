//! Addresses of the web.

use std::fmt;

use ureq::http::Uri;

/// An `http:` or `https:` address. Shown without user information.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress {
    scheme: String,
    /// `user:password`, still encoded.
    user: Option<String>,
    /// Host and port.
    host: String,
    /// Path with a leading slash, and the query.
    path: String,
}

impl WebAddress {
    /// Reads one; nothing for what is none.
    pub fn parse(url: &str) -> Option<Self> {
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
    pub fn join(&self, relative: &str) -> Option<Self> {
        if relative.contains("://") {
            return Self::parse(relative);
        }
        let path = self.path.split('?').next().unwrap_or_default().trim_end_matches('/');
        Some(Self { path: format!("{path}/{}", encode(relative.trim_start_matches('/'))), ..self.clone() })
    }

    /// Where a redirection from here leads (RFC 3986, 5.2). User information goes along to the same host only; the
    /// way from `https:` to `http:` is closed.
    pub fn redirect(&self, to: &str) -> Option<Self> {
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
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Name and password for this host, decoded.
    pub fn credentials(&self) -> Option<String> {
        decode(self.user.as_deref()?)
    }

    /// Whether it is reached in the clear.
    pub fn is_plain(&self) -> bool {
        self.scheme == "http"
    }

    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
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
pub fn decode(text: &str) -> Option<String> {
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
    fn paths_are_joined() {
        let web = WebAddress::parse("http://h/repo/").unwrap();
        assert_eq!(web.join("noarch/a b+c.rpm").unwrap().to_string(), "http://h/repo/noarch/a%20b+c.rpm");
        assert_eq!(web.join("https://other/a.rpm").unwrap().to_string(), "https://other/a.rpm");
    }
}
