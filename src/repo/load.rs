//! Repositories' metadata: fetched, checked, kept, read.

use std::{collections::HashMap, io::BufReader, thread};

use serde::{Deserialize, Serialize};

use super::{
    Access, Checksum, Error, Mismatch, Offer, Packages, Refusal, State,
    address::Address,
    filelists,
    keyring::{Trust, fingerprints},
    primary,
    repomd::{self, Data, Repomd},
    transport::{Failure, Wanted, mismatch, read_all},
    xml,
};
use crate::{
    cache::{Digest, Kind},
    profile::{Distribution, Key, Repository, Verify as Required},
    units::Epoch,
    unpack::unpack,
    web::without_user,
};

/// Largest metadata file that is fetched when its size is not announced. Ours.
const MAX_METADATA: u64 = 1 << 30;
/// Largest signature or key. Ours; a keyring of a whole distribution has some 100 kB.
const MAX_KEY: u64 = 1 << 20;
/// Attempts at a `repomd.xml` and its signature that fit each other: a mirror may be in the middle of an update.
const PAIR_ATTEMPTS: u32 = 3;

/// Reads the metadata of all repositories that packages are taken from.
pub fn load(distribution: &Distribution, access: &Access<'_>) -> Result<Packages, Error> {
    let keys = &distribution.keys;
    let repositories = distribution.repositories.iter().filter(|repository| repository.build);
    let offers: Vec<Result<Offer, Error>> = thread::scope(|scope| {
        let running: Vec<_> =
            repositories.map(|repository| scope.spawn(|| Loader { access, repository, keys }.load())).collect();
        running.into_iter().map(|offer| offer.join().unwrap_or_else(|fault| std::panic::resume_unwind(fault))).collect()
    });
    Ok(Packages { offers: offers.into_iter().collect::<Result<_, _>>()? })
}

/// Adds those of the paths to the packages that have them: from the file lists, which are fetched for that.
pub fn complete(
    packages: &mut Packages,
    paths: &[&str],
    distribution: &Distribution,
    access: &Access<'_>,
) -> Result<(), Error> {
    for offer in &mut packages.offers {
        let repository = distribution.repositories.iter().find(|repository| repository.alias == offer.alias);
        if let (Some(data), Some(repository)) = (offer.filelists.take(), repository) {
            Loader { access, repository, keys: &distribution.keys }.add_files(offer, &data, paths)?;
        }
    }
    Ok(())
}

/// What was last seen of a repository; its parts are objects.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    url: String,
    /// The highest that was seen.
    revision: String,
    repomd: Digest,
    signature: Option<Digest>,
    keys: Vec<Digest>,
}

/// The higher of two revisions, so that a mirror that goes back is told each time.
fn newer<'a>(revision: &'a str, known: &'a str) -> &'a str {
    match (revision.parse::<u64>(), known.parse::<u64>()) {
        (Ok(own), Ok(other)) if own < other => known,
        _ => revision,
    }
}

/// A `repomd.xml` with what vouches for it.
struct Contents {
    repomd: Vec<u8>,
    signature: Option<Vec<u8>>,
    blocks: Vec<Vec<u8>>,
}

pub(super) struct Loader<'a> {
    pub(super) access: &'a Access<'a>,
    pub(super) repository: &'a Repository,
    pub(super) keys: &'a [Key],
}

/// Largest list of dates that is read, and how many of them a message has.
const MAX_DATES: u64 = 1 << 16;
const MOST_DATES: usize = 20;

/// `YYYYMMDD`.
fn is_date(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl Loader<'_> {
    fn load(&self) -> Result<Offer, Error> {
        let address = Address::parse(&self.repository.alias, &self.repository.url)?;
        self.warn_unsigned(&address)?;
        let seen = self.note();
        let (contents, key) = if self.access.offline && matches!(address, Address::Web(_)) {
            self.kept(seen.as_ref())?
        } else {
            self.fetched(&address)?
        };
        let repomd =
            Repomd::parse(&contents.repomd).map_err(|source| self.unreadable("repodata/repomd.xml", source))?;
        let Some(data) = repomd.file("primary") else {
            return Err(self.unreadable("repodata/repomd.xml", xml::Error::content("it names no primary metadata")));
        };
        let digest = self.fetch_data(&address, data)?;
        let (words, packages) = self.read(data, digest, |from| primary::parse(from))?;
        let newest = seen.as_ref().map_or("", |seen| seen.revision.as_str());
        let repomd_digest = self.keep(&contents, newer(&repomd.revision, newest))?;
        let filelists = repomd.file("filelists").cloned();
        let state = State { revision: repomd.revision, key, time: repomd.time, repomd: Some(repomd_digest) };
        let (alias, priority) = (self.repository.alias.clone(), self.repository.priority);
        let offer = Offer { alias, priority, state, words, packages, filelists };
        if let Some(seen) = seen.filter(|seen| offer.state.is_older_than(&seen.revision)) {
            self.access.report.warn(offer.older_than(&seen.revision, "was seen before"));
        }
        Ok(offer)
    }

    /// Says that signatures are switched off; refuses it where anyone on the way could change what comes.
    fn warn_unsigned(&self, address: &Address) -> Result<(), Error> {
        let alias = &self.repository.alias;
        if self.repository.verify != Required::Repository && address.is_insecure() {
            return Err(Error::Insecure { alias: alias.clone() });
        }
        if self.repository.verify != Required::Checksums {
            return Ok(());
        }
        self.access.report.warn(format!("repository `{alias}` is used without checking signatures"));
        Ok(())
    }

    /// The current table of contents with a good signature, and who made that.
    fn fetched(&self, address: &Address) -> Result<(Contents, Option<String>), Error> {
        let mut attempt = 1;
        loop {
            let Some(repomd) = self.small(address, "repodata/repomd.xml", repomd::MAX_SIZE)? else {
                let (alias, url) = (self.repository.alias.clone(), without_user(&self.repository.url));
                return Err(Error::NoRepository { dates: self.dates(), alias, url });
            };
            let mut contents = Contents { repomd, signature: None, blocks: Vec::new() };
            if self.repository.verify == Required::Repository {
                contents.signature = self.small(address, "repodata/repomd.xml.asc", MAX_KEY)?;
                contents.blocks = self.blocks(address)?;
            }
            match self.verify(&contents, Some(self.access.now)) {
                Err(Error::Signature { source: Refusal::Bad(_), .. }) if attempt < PAIR_ATTEMPTS => attempt += 1,
                key => return Ok((contents, key?)),
            }
        }
    }

    /// The table of contents that was last seen.
    fn kept(&self, note: Option<&Note>) -> Result<(Contents, Option<String>), Error> {
        let offline = || Error::Offline { what: self.repository.alias.clone() };
        let note = note.ok_or_else(offline)?;
        let read = |digest: Digest| -> Result<Vec<u8>, Error> {
            let path = self.access.cache.object(digest)?.ok_or_else(offline)?;
            fs_err::read(path).map_err(|source| self.local(source))
        };
        let contents = Contents {
            repomd: read(note.repomd)?,
            signature: note.signature.map(read).transpose()?,
            blocks: note.keys.iter().map(|key| read(*key)).collect::<Result<_, _>>()?,
        };
        let key = self.verify(&contents, None)?; // as it was accepted
        Ok((contents, key))
    }

    /// Key blocks for packages: those that came with the metadata, else the current ones.
    pub(super) fn package_blocks(&self) -> Result<Vec<Vec<u8>>, Error> {
        let read = |digest: &Digest| -> Option<Vec<u8>> {
            let path = self.access.cache.object(*digest).ok()??;
            fs_err::read(path).ok()
        };
        let kept = self.note().map(|note| note.keys.iter().filter_map(read).collect::<Vec<_>>());
        match kept.filter(|blocks| !blocks.is_empty()) {
            Some(mut blocks) => {
                blocks.extend_from_slice(self.access.keys);
                Ok(blocks)
            }
            None if self.access.offline => Ok(self.access.keys.to_vec()),
            None => self.blocks(&Address::parse(&self.repository.alias, &self.repository.url)?),
        }
    }

    /// Key blocks: those that the caller has, and for keys that are not among them, the repository's.
    fn blocks(&self, address: &Address) -> Result<Vec<Vec<u8>>, Error> {
        let mut blocks = self.access.keys.to_vec();
        let mut have: Vec<String> = blocks.iter().flat_map(|block| fingerprints(block)).collect();
        for key in self.keys {
            if key.fetch.is_empty() || have.iter().any(|have| key.is(have)) {
                continue;
            }
            if let Some(block) = self.small(address, &key.fetch, MAX_KEY)? {
                have.extend(fingerprints(&block));
                blocks.push(block);
            }
        }
        Ok(blocks)
    }

    /// Who signed it; judged now, if it comes now.
    fn verify(&self, contents: &Contents, now: Option<Epoch>) -> Result<Option<String>, Error> {
        if self.repository.verify != Required::Repository {
            return Ok(None);
        }
        let refused = |source| Error::Signature { alias: self.repository.alias.clone(), source };
        let signature = contents.signature.as_deref().ok_or_else(|| refused(Refusal::Unsigned))?;
        let trust = Trust::new(&contents.blocks, self.keys);
        trust.verify(&contents.repomd, signature, now).map(Some).map_err(refused)
    }

    /// A small file, or nothing where there is none.
    fn small(&self, address: &Address, location: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let wanted = Wanted { alias: &self.repository.alias, address, location };
        let url = wanted.shown();
        self.access.transport.get(&wanted, |from| {
            let mut bytes = Vec::new();
            read_all(from, &url, None, limit, |part| {
                bytes.extend_from_slice(part);
                Ok(())
            })?;
            Ok(bytes)
        })
    }

    /// The dates of which a rolling distribution keeps states, newest last, where the address names one: a list beside
    /// them, a date a line (download.opensuse.org, `history/list`). It is not signed and only helps a person.
    fn dates(&self) -> Vec<String> {
        let parts: Vec<&str> = self.repository.url.split('/').collect();
        let Some(at) = parts.iter().position(|part| is_date(part)) else { return Vec::new() };
        let list = || {
            let address = Address::parse(&self.repository.alias, &parts[..at].join("/")).ok()?;
            self.small(&address, "list", MAX_DATES).ok()?
        };
        let text = String::from_utf8_lossy(&list().unwrap_or_default()).into_owned();
        let mut dates: Vec<String> = text.split_whitespace().filter(|line| is_date(line)).map(str::to_owned).collect();
        dates.split_off(dates.len().saturating_sub(MOST_DATES))
    }

    /// A metadata file, in the cache.
    fn fetch_data(&self, address: &Address, data: &Data) -> Result<Digest, Error> {
        let wanted = Wanted { alias: &self.repository.alias, address, location: &data.location };
        let limit = data.size.unwrap_or(MAX_METADATA).min(MAX_METADATA);
        self.access.store(&wanted, Kind::Metadata, &data.checksum, data.size, limit, &|_| {})
    }

    fn read<T>(
        &self,
        data: &Data,
        digest: Digest,
        parse: impl FnOnce(Box<dyn std::io::Read + '_>) -> Result<T, xml::Error>,
    ) -> Result<T, Error> {
        let gone = || Error::Offline { what: data.location.clone() };
        let path = self.access.cache.object(digest)?.ok_or_else(gone)?;
        let file = fs_err::File::open(path).map_err(|source| self.local(source))?;
        let size = file.metadata().map_err(|source| self.local(source))?.len();
        let limit = xml::open_limit(size, data.open_size);
        unpack(BufReader::with_capacity(1 << 16, file), limit)
            .map_err(xml::Error::from)
            .and_then(parse)
            .map_err(|source| self.unreadable(&data.location, source))
    }

    fn add_files(&self, offer: &mut Offer, data: &Data, paths: &[&str]) -> Result<(), Error> {
        let address = Address::parse(&self.repository.alias, &self.repository.url)?;
        let digest = self.fetch_data(&address, data)?;
        let found = self.read(data, digest, |from| filelists::find(from, paths))?;
        let sums = offer.packages.iter().enumerate().map(|(at, package)| (package.checksum.hex().to_owned(), at));
        let by_sum: HashMap<String, usize> = sums.collect();
        for (package, path) in found {
            let path = offer.words.add(&path);
            let Some(at) = by_sum.get(&package.to_ascii_lowercase()) else { continue };
            let files = &mut offer.packages[*at].files;
            if !files.contains(&path) {
                files.push(path);
            }
        }
        Ok(())
    }

    fn note_name(&self) -> String {
        format!("{}.json", Digest::of(self.repository.url.as_bytes()))
    }

    fn note(&self) -> Option<Note> {
        serde_json::from_slice(&self.access.cache.read_note("repositories", &self.note_name())?).ok()
    }

    fn keep(&self, contents: &Contents, revision: &str) -> Result<Digest, Error> {
        let put = |bytes: &[u8]| self.access.cache.put(Kind::Metadata, bytes);
        let note = Note {
            url: without_user(&self.repository.url),
            revision: revision.to_owned(),
            repomd: put(&contents.repomd)?,
            signature: contents.signature.as_deref().map(put).transpose()?,
            keys: contents.blocks.iter().map(|block| put(block)).collect::<Result<_, _>>()?,
        };
        self.access.cache.write_note("repositories", &self.note_name(), &crate::plan::canonical(&note))?;
        Ok(note.repomd)
    }

    fn unreadable(&self, file: &str, source: xml::Error) -> Error {
        Error::Metadata { alias: self.repository.alias.clone(), file: file.to_owned(), source }
    }

    fn local(&self, source: std::io::Error) -> Error {
        Error::Local { alias: self.repository.alias.clone(), source }
    }
}

impl Access<'_> {
    /// Brings a file into the cache unless it is there; `moved` hears how many bytes came since it was last told.
    pub(super) fn store(
        &self,
        wanted: &Wanted<'_>,
        kind: Kind,
        checksum: &Checksum,
        size: Option<u64>,
        limit: u64,
        moved: &dyn Fn(u64),
    ) -> Result<Digest, Error> {
        if let Some(digest) = self.known(checksum)? {
            return Ok(digest);
        }
        let url = wanted.shown();
        if self.offline && (matches!(wanted.address, Address::Web(_)) || wanted.location.contains("://")) {
            return Err(Error::Offline { what: url });
        }
        let stored = self.transport.get(wanted, |from| {
            let mut writer = self.cache.writer(kind, limit).map_err(Error::from)?;
            let mut hasher = checksum.hasher();
            read_all(from, &url, size, limit, |part| {
                hasher.update(part);
                writer.write(part)?;
                moved(part.len() as u64);
                Ok(())
            })?;
            let found = checksum.found(hasher);
            if found != *checksum {
                return Err(mismatch(&url, Mismatch { expected: checksum.clone(), found }));
            }
            writer.finish().map_err(|error| Failure::Final(error.into()))
        })?;
        let alias = wanted.alias.to_owned();
        let digest = stored.ok_or_else(|| Error::Missing { alias, file: wanted.location.to_owned() })?;
        if checksum.digest().is_none() {
            self.cache.write_note("aliases", &checksum.to_string(), digest.to_string().as_bytes())?;
        }
        Ok(digest)
    }

    /// The object with that checksum, if it is in the cache.
    fn known(&self, checksum: &Checksum) -> Result<Option<Digest>, Error> {
        let alias = || {
            let kept = self.cache.read_note("aliases", &checksum.to_string())?;
            String::from_utf8(kept).ok()?.parse().ok()
        };
        let Some(digest) = checksum.digest().or_else(alias) else { return Ok(None) };
        Ok(self.cache.object(digest)?.map(|_| digest))
    }
}
