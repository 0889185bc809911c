//! The way to servers: addresses, redirections, and who we are where one asks. What comes back is its reader's to bound
//! and to check.

mod address;
mod credentials;

use std::{
    error::Error as StdError,
    io::{self, Read},
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ureq::{
    Agent,
    http::{StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

pub use address::{WebAddress, decode, without_user};
use credentials::Credentials;

/// How often one thing is asked for.
const ATTEMPTS: u32 = 4;
/// The wait after the first failure; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest wait that a server may ask for.
const MAX_PAUSE: Duration = Duration::from_secs(20);
const MAX_REDIRECTS: u32 = 10;

/// The way to servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Web {
    agent: Agent,
    pause: Duration,
    /// Read when a server first asks.
    credentials: Arc<OnceLock<Credentials>>,
}

/// Why one request has no answer.
#[derive(Debug)]
pub enum Failure {
    /// There is no such thing.
    Absent,
    /// The server wants to know who asks, and nobody told, or it does not believe what was told.
    Unauthorized {
        /// The address.
        url: String,
        /// Whether it was told some.
        told: bool,
    },
    /// A file with credentials cannot be used.
    Credentials {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The network or the server fails.
    Network {
        /// The address.
        url: String,
        /// Why.
        source: Box<dyn StdError + Send + Sync>,
        /// Whether another attempt may do better.
        passes: bool,
        /// When, if the server says so.
        after: Option<Duration>,
    },
}

/// Who a server is told that we are, in the header's own words; asked with what the server wants to know, and nothing
/// before it asked.
pub type Who<'a> = dyn FnMut(&WebAddress, Option<&str>) -> Result<Option<String>, Failure> + 'a;

impl Default for Web {
    fn default() -> Self {
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
}

impl Web {
    /// One that does not wait between attempts.
    #[cfg(test)]
    pub(crate) fn impatient() -> Self {
        Self { pause: Duration::from_millis(1), ..Self::default() }
    }

    /// Does something again after a failure that may pass, as `passes` says, with the wait that a server asked for.
    ///
    /// # Errors
    /// The last attempt's.
    pub fn attempts<T, E>(
        &self,
        mut attempt: impl FnMut() -> Result<T, E>,
        passes: impl Fn(&E) -> Option<Option<Duration>>,
    ) -> Result<T, E> {
        let mut pause = self.pause;
        for number in 1.. {
            match attempt() {
                Err(error) if number < ATTEMPTS => match passes(&error) {
                    Some(after) => thread::sleep(after.unwrap_or(pause).min(MAX_PAUSE)),
                    None => return Err(error),
                },
                done => return done,
            }
            pause *= 2;
        }
        unreachable!("the last attempt returns")
    }

    /// What the user put down for a host, as `Authorization` has it (RFC 7617).
    ///
    /// # Errors
    /// [`Failure::Credentials`].
    pub fn basic(&self, at: &WebAddress) -> Result<Option<String>, Failure> {
        if self.credentials.get().is_none() {
            let _ = self.credentials.set(Credentials::of_user()?);
        }
        Ok(self.credentials.get_or_init(Credentials::default).of(at.host()).map(|known| basic(&known)))
    }

    /// As [`Web::get`], where a server that asks is told what the address or the user says, and only it.
    ///
    /// # Errors
    /// As [`Web::get`].
    pub fn get_as_user(&self, at: WebAddress) -> Result<Box<dyn Read>, Failure> {
        let mut who = |at: &WebAddress, asks: Option<&str>| match asks {
            None => Ok(at.credentials().map(|own| basic(&own))),
            Some(_) => self.basic(at),
        };
        self.get(at, &[], &mut who)
    }

    /// One request and the redirections that it leads to.
    ///
    /// # Errors
    /// All of [`Failure`].
    pub fn get(&self, address: WebAddress, accept: &[&str], who: &mut Who<'_>) -> Result<Box<dyn Read>, Failure> {
        let mut at = address;
        let mut told = who(&at, None)?;
        for _ in 0..=MAX_REDIRECTS {
            let failed = |source: Box<dyn StdError + Send + Sync>, passes, after| Failure::Network {
                url: at.to_string(),
                source,
                passes,
                after,
            };
            let mut request = self.agent.get(at.uri().ok_or(Failure::Absent)?);
            for media_type in accept {
                request = request.header(header::ACCEPT, *media_type);
            }
            if let Some(told) = &told {
                request = request.header(header::AUTHORIZATION, told);
            }
            let response = request.call().map_err(|error| {
                let passes = !matches!(error, ureq::Error::BadUri(_) | ureq::Error::InvalidProxyUrl);
                failed(Box::new(error), passes, None)
            })?;
            let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
            match response.status() {
                StatusCode::OK => return Ok(Box::new(response.into_body().into_reader())),
                status if status.is_redirection() => {
                    let to = text(header::LOCATION).unwrap_or_default();
                    let next = at.redirect(to);
                    let next = next
                        .ok_or_else(|| failed(format!("it leads to `{to}`, which is refused").into(), false, None))?;
                    told = if next.host() == at.host() && !is_basic(told.as_ref()) { told } else { who(&next, None)? };
                    at = next;
                }
                StatusCode::UNAUTHORIZED => {
                    let asks = text(header::WWW_AUTHENTICATE).unwrap_or_default();
                    let known = who(&at, Some(asks))?.filter(|known| told.as_ref() != Some(known));
                    let refused = Failure::Unauthorized { url: at.to_string(), told: told.is_some() };
                    told = Some(known.ok_or(refused)?);
                }
                StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Failure::Absent),
                status => {
                    let after = text(header::RETRY_AFTER).and_then(|value| value.parse().ok()).map(Duration::from_secs);
                    let passes = status.is_server_error()
                        || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
                    return Err(failed(format!("the server says {status}").into(), passes, after));
                }
            }
        }
        let (url, source) = (at.to_string(), "it is redirected without an end".into());
        Err(Failure::Network { url, source, passes: false, after: None })
    }
}

/// `NAME:SECRET` as `Authorization` has it (RFC 7617).
pub fn basic(known: &str) -> String {
    format!("Basic {}", STANDARD.encode(known))
}

fn is_basic(told: Option<&String>) -> bool {
    told.is_some_and(|told| told.starts_with("Basic "))
}
