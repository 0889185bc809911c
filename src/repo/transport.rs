//! Bytes from a repository: from its folder, or by HTTP with redirections and retries.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use super::{
    Error, Mismatch,
    address::{Address, below},
};
use crate::web::{self, Web, WebAddress};

/// The ways to repositories.
#[derive(Clone, Debug, Default)]
pub(super) struct Transport {
    web: Web,
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
    /// Another attempt may do better, after the wait that the server asks for.
    Passing(Error, Option<Duration>),
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
        Self::default()
    }

    #[cfg(test)]
    pub(super) fn impatient() -> Self {
        Self { web: Web::impatient() }
    }

    /// Gives a file's bytes to `take`, again after a failure that may pass; nothing when there is no such file.
    pub(super) fn get<T>(
        &self,
        wanted: &Wanted<'_>,
        mut take: impl FnMut(&mut dyn Read) -> Result<T, Failure>,
    ) -> Result<Option<T>, Error> {
        let passes = |failure: &Failure| match failure {
            Failure::Passing(_, after) => Some(*after),
            _ => None,
        };
        match self.web.attempts(|| self.attempt(wanted, &mut take), passes) {
            Ok(taken) => Ok(Some(taken)),
            Err(Failure::Absent) => Ok(None),
            Err(Failure::Final(error) | Failure::Passing(error, _)) => Err(error),
        }
    }

    fn attempt<T>(
        &self,
        wanted: &Wanted<'_>,
        take: &mut impl FnMut(&mut dyn Read) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match wanted.address {
            Address::Folder(folder) if !wanted.location.contains("://") => {
                let mut file = open_local(wanted.alias, folder, wanted.location)?;
                take(&mut file).map_err(|failure| match failure {
                    // A second look at the same disk is of no use.
                    Failure::Passing(error, _) => Failure::Final(error),
                    other => other,
                })
            }
            Address::Folder(_) => {
                let address = WebAddress::parse(wanted.location).ok_or(Failure::Absent)?;
                take(&mut self.web.get_as_user(address)?)
            }
            Address::Web(base) => {
                let address = base.join(wanted.location).ok_or(Failure::Absent)?;
                take(&mut self.web.get_as_user(address)?)
            }
        }
    }
}

impl From<web::Failure> for Failure {
    fn from(failure: web::Failure) -> Self {
        match failure {
            web::Failure::Absent => Self::Absent,
            web::Failure::Unauthorized { url, told } => Self::Final(Error::Unauthorized { url, told }),
            web::Failure::Credentials { file, source } => Self::Final(Error::Credentials { file, source }),
            web::Failure::Network { url, source, passes, after } => {
                let error = Error::Network { url, source };
                if passes { Self::Passing(error, after) } else { Self::Final(error) }
            }
        }
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
                let error = match expected {
                    Some(expected) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        Error::Truncated { url: url.to_owned(), expected, got }
                    }
                    _ => Error::Network { url: url.to_owned(), source: Box::new(error) },
                };
                return Err(Failure::Passing(error, None));
            }
        };
        got += n as u64;
        let most = expected.unwrap_or(limit).min(limit);
        if got > most {
            return Err(Failure::Passing(Error::TooLong { url: url.to_owned(), expected: most }, None));
        }
        take(&buffer[..n])?;
    }
    match expected {
        Some(expected) if got < expected => {
            Err(Failure::Passing(Error::Truncated { url: url.to_owned(), expected, got }, None))
        }
        _ => Ok(got),
    }
}

/// The failure for a file that is not what it should be: a mirror may be behind, so it passes.
pub(super) fn mismatch(url: &str, source: Mismatch) -> Failure {
    Failure::Passing(Error::Checksum { url: url.to_owned(), source }, None)
}
