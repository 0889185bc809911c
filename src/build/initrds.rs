//! The cached stage: initrds that earlier builds made go in, those that this one makes come out.
//!
//! The record's key is all that decides about an initrd beside the tree: packages, how they are installed, dracut's
//! arguments, rowi itself. Its outputs are named by the tree ([`crate::system::Initrd::name`]), which only the inner
//! half has. A build with secrets takes and leaves none: an initrd might hold one (`ENGINEERING` I.17).

use std::{
    collections::BTreeMap,
    io::{self, Read, Seek},
    os::fd::{AsFd, BorrowedFd},
    path::PathBuf,
};

use super::{Error, job::Job};
use crate::cache::{Cache, Digest, Kind, StageKey};

/// Most initrds of one set of packages that are kept: every change of the configuration makes another.
const MOST: usize = 16;

/// Finished initrds, and a file for new ones.
pub(super) struct Initrds {
    key: Option<StageKey>,
    found: BTreeMap<String, (Digest, PathBuf)>,
    made: std::fs::File,
}

impl Initrds {
    /// What the cache has for this job.
    pub(super) fn open(cache: &Cache, job: &Job) -> Result<Self, Error> {
        let failed = |source| Error::Work { source };
        let made = tempfile::tempfile_in(cache.work()).map_err(failed)?;
        if !job.secrets.is_empty() {
            return Ok(Self { key: None, found: BTreeMap::new(), made });
        }
        let key = key(job).map_err(failed)?;
        let mut found = BTreeMap::new();
        for (name, digest) in cache.stage(&key)?.into_iter().flat_map(|record| record.outputs) {
            found.extend(cache.object(digest)?.map(|path| (name, (digest, path))));
        }
        Ok(Self { key: Some(key), found, made })
    }

    /// Names and files of those that there are.
    pub(super) fn found(&self) -> impl Iterator<Item = (&str, &PathBuf)> {
        self.found.iter().map(|(name, (_, path))| (name.as_str(), path))
    }

    /// Where the inner half writes those that it makes.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.made.as_fd()
    }

    /// Keeps what was made for the next build: names and lengths, in the order of the file.
    pub(super) fn keep(&mut self, cache: &Cache, made: &[(String, u64)]) -> Result<(), Error> {
        let Some(key) = self.key.take().filter(|_| !made.is_empty()) else { return Ok(()) };
        let mut outputs: BTreeMap<_, _> =
            self.found.iter().map(|(name, (digest, _))| (name.clone(), *digest)).collect();
        if outputs.len() + made.len() > MOST {
            outputs.clear();
        }
        self.made.rewind().map_err(|source| Error::Work { source })?;
        for (name, length) in made {
            let mut writer = cache.writer(Kind::Stage, *length)?;
            copy(&mut (&self.made).take(*length), |bytes| Ok(writer.write(bytes)?))?;
            outputs.insert(name.clone(), writer.finish()?);
        }
        cache.record(&key, outputs)?;
        Ok(())
    }
}

fn key(job: &Job) -> io::Result<StageKey> {
    let plan = &job.plan;
    let key = StageKey::new("initrd")?
        .input("packages", &plan.packages)
        .input("install", &plan.install)
        .input("epoch", &plan.epoch)
        .input("drivers", &plan.boot.initrd_drivers)
        .input("paths", &plan.paths);
    Ok(key)
}

/// Hands on all bytes of `from`.
fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut buffer = vec![0; 1 << 18];
    loop {
        match from.read(&mut buffer).map_err(|source| Error::Work { source })? {
            0 => return Ok(()),
            length => to(&buffer[..length])?,
        }
    }
}
