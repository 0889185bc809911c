//! Bytes from a repository: from its folder, or by HTTP with redirections and retries.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use ureq::{
    Agent,
    http::{StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

use super::{
    Error, Mismatch,
    address::{Address, WebAddress, below},
    credentials::Credentials,
};

/// How often one file is asked for.
const ATTEMPTS: u32 = 4;
/// The wait after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest wait that a server may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: u32 = 10;

/// The ways to repositories.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    agent: Agent,
    pause: Duration,
    /// Read when a server first asks.
    credentials: Arc<OnceLock<Credentials>>,
}

/// One file of a repository.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// The repository's alias.
    pub(super) alias: &'a str,
    /// Where the repository is.
    pub(super) address: &'a Address,
    /// Path below it, or a whole web address.
    pub(super) location: &'a str,
}

/// Why one attempt failed.
pub(super) enum Failure {
    /// Another attempt may do better.
    Passing(Error),
    /// No other attempt will.
    Final(Error),
    /// There is no such file.
    Absent,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Wanted<'_> {
    /// Its address for messages.
    pub(super) fn shown(&self) -> String {
        match self.address {
            Address::Folder(folder) => folder.join(self.location).display().to_string(),
            Address::Web(base) => {
                base.join(self.location).map_or_else(|| self.location.to_owned(), |address| address.to_string())
            }
        }
    }
}

impl Transport {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder()
            // Redirections are ours to follow: see `WebAddress::redirect`.
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("rowi/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            // The system's authorities, a company's own among them.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(Duration::from_secs(60)))
            .build();
        Self { agent: config.into(), pause: PAUSE, credentials: Arc::default() }
    }

    #[cfg(test)]
    pub(super) fn impatient() -> Self {
        Self { pause: Duration::from_millis(1), ..Self::new() }
    }

    /// Gives a file's bytes to `take`, again after a failure that may pass; nothing when there is no such file.
    pub(super) fn get<T>(
        &self,
        wanted: &Wanted<'_>,
        mut take: impl FnMut(&mut dyn Read) -> Result<T, Failure>,
    ) -> Result<Option<T>, Error> {
        let mut pause = self.pause;
        for attempt in 1.. {
            let mut asked = None;
            match self.attempt(wanted, &mut take, &mut asked) {
                Ok(taken) => return Ok(Some(taken)),
                Err(Failure::Absent) => return Ok(None),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(error)) if attempt == ATTEMPTS => return Err(error),
                Err(Failure::Passing(_)) => thread::sleep(asked.unwrap_or(pause).min(MAX_PAUSE)),
            }
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    fn attempt<T>(
        &self,
        wanted: &Wanted<'_>,
        take: &mut impl FnMut(&mut dyn Read) -> Result<T, Failure>,
        asked: &mut Option<Duration>,
    ) -> Result<T, Failure> {
        match wanted.address {
            Address::Folder(folder) if !wanted.location.contains("://") => {
                let mut file = open_local(wanted.alias, folder, wanted.location)?;
                take(&mut file).map_err(|failure| match failure {
                    // A second look at the same disk is of no use.
                    Failure::Passing(error) => Failure::Final(error),
                    other => other,
                })
            }
            Address::Folder(_) => {
                let address = WebAddress::parse(wanted.location).ok_or(Failure::Absent)?;
                take(&mut self.request(address, asked)?)
            }
            Address::Web(base) => take(&mut self.request(base.join(wanted.location).ok_or(Failure::Absent)?, asked)?),
        }
    }

    /// What the user put down for servers that ask.
    fn known(&self) -> Result<&Credentials, Error> {
        if self.credentials.get().is_none() {
            let _ = self.credentials.set(Credentials::of_user()?);
        }
        Ok(self.credentials.get_or_init(Credentials::default))
    }

    /// One request and the redirections that it leads to. A server that asks who we are is told, and only it.
    fn request(&self, address: WebAddress, asked: &mut Option<Duration>) -> Result<impl Read + use<>, Failure> {
        let mut at = address;
        let mut told = at.credentials();
        for _ in 0..=MAX_REDIRECTS {
            let failed =
                |source: Box<dyn std::error::Error + Send + Sync>| Error::Network { url: at.to_string(), source };
            let uri = at.uri().ok_or(Failure::Absent)?;
            let mut request = self.agent.get(uri);
            if let Some(credentials) = &told {
                request = request.header(header::AUTHORIZATION, format!("Basic {}", base64(credentials.as_bytes())));
            }
            let response = request.call().map_err(|error| {
                let passing = !matches!(error, ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl);
                let error = failed(Box::new(error));
                if passing { Failure::Passing(error) } else { Failure::Final(error) }
            })?;
            let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            match response.status() {
                StatusCode::OK => return Ok(response.into_body().into_reader()),
                status if status.is_redirection() => {
                    let to = text(header::LOCATION).unwrap_or_default();
                    at = at
                        .redirect(to)
                        .ok_or_else(|| failed(format!("it leads to `{to}`, which is refused").into()))?;
                    told = at.credentials();
                }
                StatusCode::UNAUTHORIZED => {
                    let known = self.known()?.of(at.host()).filter(|known| told.as_ref() != Some(known));
                    let refused = Error::Unauthorized { url: at.to_string(), told: told.is_some() };
                    told = Some(known.ok_or(refused)?);
                }
                StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Failure::Absent),
                status => {
                    *asked = text(header::RETRY_AFTER).and_then(|value| value.parse().ok()).map(Duration::from_secs);
                    let error = failed(format!("the server says {status}").into());
                    let passing = status.is_server_error()
                        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
                    return Err(if passing { Failure::Passing(error) } else { Failure::Final(error) });
                }
            }
        }
        Err(Error::Network { url: at.to_string(), source: "it is redirected without an end".into() }.into())
    }
}

/// A regular file below a local repository.
fn open_local(alias: &str, folder: &Path, location: &str) -> Result<File, Failure> {
    let failed = |source| Failure::Final(Error::Local { alias: alias.into(), source });
    let path = below(folder, location).ok_or(Failure::Absent)?;
    // A pipe in place of the file must not stop the build.
    match File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path) {
        Ok(file) if file.metadata().is_ok_and(|kept| kept.is_file()) => Ok(file),
        Ok(_) => Err(failed(io::Error::other(format!("`{}` is not a file", path.display())))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::Absent),
        Err(error) => Err(failed(io::Error::new(error.kind(), format!("{}: {error}", path.display())))),
    }
}

/// Reads all of a file that should have `expected` bytes, if that is known, and at most `limit`.
pub(super) fn read_all(
    from: &mut dyn Read,
    url: &str,
    expected: Option<u64>,
    limit: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), Error>,
) -> Result<u64, Failure> {
    let mut buffer = vec![0; 1 << 16];
    let mut got = 0_u64;
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                return Err(Failure::Passing(match expected {
                    Some(expected) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        Error::Truncated { url: url.to_owned(), expected, got }
                    }
                    _ => Error::Network { url: url.to_owned(), source: Box::new(error) },
                }));
            }
        };
        got += n as u64;
        let most = expected.unwrap_or(limit).min(limit);
        if got > most {
            return Err(Failure::Passing(Error::TooLong { url: url.to_owned(), expected: most }));
        }
        take(&buffer[..n])?;
    }
    match expected {
        Some(expected) if got < expected => {
            Err(Failure::Passing(Error::Truncated { url: url.to_owned(), expected, got }))
        }
        _ => Ok(got),
    }
}

/// The failure for a file that is not what it should be: a mirror may be behind, so it passes.
pub(super) fn mismatch(url: &str, source: Mismatch) -> Failure {
    Failure::Passing(Error::Checksum { url: url.to_owned(), source })
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(super::base64(plain.as_bytes()), text);
        }
    }
}
