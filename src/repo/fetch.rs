//! Chosen packages become files in the cache.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use super::{
    Access, Error,
    address::Address,
    keyring::{Trust, fingerprints},
    load::Loader,
    transport::Wanted,
};
use crate::{
    cache::{Digest, Kind},
    profile::{Distribution, Key, Repository, Verify as Required},
    solve::{Chosen, Resolution},
};

/// Downloads at once. Mirrors refuse more than a handful; two already hide the latency.
const AT_ONCE: usize = 6;
/// Largest package file. Ours; the largest of Tumbleweed's have some 3 GB.
const MAX_PACKAGE: u64 = 16 << 30;
/// Progress is told after so many bytes.
const STEP: u64 = 1 << 20;

/// A package file in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Which of the resolution's packages.
    pub index: usize,
    /// The file.
    pub path: PathBuf,
    /// Its SHA-256.
    pub sha256: Digest,
}

/// Brings every package of a resolution into the cache; the result is in the resolution's order.
///
/// Sizes and checksums are the resolution's, so that a mirror can only fail, not deceive.
pub fn fetch(resolution: &Resolution, distribution: &Distribution, access: &Access<'_>) -> Result<Vec<Fetched>, Error> {
    let keys = &distribution.keys;
    let mut origins = HashMap::new();
    for repository in &distribution.repositories {
        if resolution.packages.iter().any(|package| package.repository == repository.alias) {
            origins.insert(repository.alias.as_str(), Origin::new(access, repository, keys)?);
        }
    }
    let total = resolution.packages.iter().map(|package| package.size.get()).sum();
    let run = Run {
        access,
        origins,
        total,
        done: AtomicU64::new(0),
        next: AtomicUsize::new(0),
        stop: AtomicBool::new(false),
    };
    let results = Mutex::new(Vec::with_capacity(resolution.packages.len()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(resolution.packages.len()) {
            scope.spawn(|| run.work(&resolution.packages, &results));
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, fetched)| fetched).collect()
}

/// Files with the keys that the distribution trusts: those at hand and those that its repositories have. A repository
/// that cannot be reached adds none.
pub fn trusted_keys(distribution: &Distribution, access: &Access<'_>) -> Vec<Vec<u8>> {
    let keys = &distribution.keys;
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for repository in distribution.repositories.iter().filter(|repository| repository.build) {
        let found = Loader { access, repository, keys }.package_blocks().unwrap_or_else(|_| access.keys.to_vec());
        for block in found {
            let trusted = fingerprints(&block).iter().any(|fingerprint| keys.iter().any(|key| key.is(fingerprint)));
            if trusted && !blocks.contains(&block) {
                blocks.push(block);
            }
        }
    }
    blocks
}

/// Where packages of one repository come from and what they must have.
struct Origin {
    address: Address,
    verify: Required,
    trust: Trust,
}

impl Origin {
    fn new(access: &Access<'_>, repository: &Repository, keys: &[Key]) -> Result<Self, Error> {
        let address = Address::parse(&repository.alias, &repository.url)?;
        let blocks = match repository.verify {
            Required::Checksums => Vec::new(),
            Required::Packages => Loader { access, repository, keys }.package_blocks()?,
            // The checksum vouches already: without a key, a build from the lock and the cache still works.
            Required::Repository => {
                Loader { access, repository, keys }.package_blocks().unwrap_or_else(|_| access.keys.to_vec())
            }
        };
        Ok(Self { address, verify: repository.verify, trust: Trust::new(&blocks, keys) })
    }
}

struct Run<'a> {
    access: &'a Access<'a>,
    origins: HashMap<&'a str, Origin>,
    total: u64,
    done: AtomicU64,
    next: AtomicUsize,
    stop: AtomicBool,
}

type Results = Mutex<Vec<(usize, Result<Fetched, Error>)>>;

impl Run<'_> {
    /// Takes one package after the other until none is left or one failed.
    fn work(&self, packages: &[Chosen], results: &Results) {
        while !self.stop.load(Ordering::Relaxed) {
            let index = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(package) = packages.get(index) else { return };
            let fetched = self.one(index, package);
            if fetched.is_err() {
                self.stop.store(true, Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push((index, fetched));
        }
    }

    fn one(&self, index: usize, package: &Chosen) -> Result<Fetched, Error> {
        let missing = || Error::Missing { alias: package.repository.clone(), file: package.location.clone() };
        let origin = self.origins.get(package.repository.as_str()).ok_or_else(missing)?;
        let wanted = Wanted { alias: &package.repository, address: &origin.address, location: &package.location };
        let size = package.size.get();
        // A retry tells bytes twice; no more than the package's own count.
        let told = AtomicU64::new(0);
        let moved = |bytes: u64| {
            let before = told.fetch_add(bytes, Ordering::Relaxed);
            if before + bytes <= size {
                self.advance(bytes, &package.name);
            }
        };
        // A size of 0 is one that the metadata does not state.
        let expected = (size > 0).then_some(size);
        let limit = expected.unwrap_or(MAX_PACKAGE).min(MAX_PACKAGE);
        let sha256 = self.access.store(&wanted, Kind::Package, &package.checksum, expected, limit, &moved)?;
        self.advance(size.saturating_sub(told.load(Ordering::Relaxed)), &package.name);
        let path = self.access.cache.object(sha256)?.ok_or_else(missing)?;
        self.verify(origin, package, &path)?;
        Ok(Fetched { index, path, sha256 })
    }

    /// The package's own signature, as its repository asks for it.
    fn verify(&self, origin: &Origin, package: &Chosen, file: &Path) -> Result<(), Error> {
        if origin.verify == Required::Checksums {
            return Ok(());
        }
        origin
            .trust
            .verify_package(file, origin.verify == Required::Packages)
            .map_err(|source| Error::PackageSignature { package: package.name.clone(), source })
    }

    fn advance(&self, bytes: u64, name: &str) {
        let before = self.done.fetch_add(bytes, Ordering::Relaxed);
        let after = before + bytes;
        if before / STEP != after / STEP || after >= self.total {
            self.access.report.progress(after.min(self.total), self.total, name);
        }
    }
}
