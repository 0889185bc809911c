//! Tar archives as files with names.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use crate::{cache::Cache, oci::manifest::MAX_LAYER, unpack::unpack};

/// Most entries of an archive. Ours: one has some files a layer.
const MAX_ENTRIES: usize = 100_000;
/// How many symbolic links lead to a file.
const MAX_LINKS: usize = 8;
/// Largest header of a long name or of extensions.
const MAX_HEADER: u64 = 1 << 20;

/// A tar archive whose files are known by name.
#[derive(Debug)]
pub(super) struct Archive {
    file: File,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
enum Entry {
    /// Offset and length.
    File(u64, u64),
    Link(String),
}

impl Archive {
    /// Opens one; a compressed one is unpacked into the cache's work folder.
    pub(super) fn open(path: &Path, cache: &Cache) -> io::Result<Self> {
        // A pipe in place of the file must not stop the build.
        let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        Self::of(plain(file, cache)?)
    }

    fn of(file: File) -> io::Result<Self> {
        check(&file)?;
        let mut entries = BTreeMap::new();
        let mut reader = &file;
        reader.rewind()?;
        for entry in tar::Archive::new(BufReader::new(reader)).entries()? {
            let entry = entry?;
            let name = name(&entry.path_bytes());
            let kind = entry.header().entry_type();
            if kind.is_file() {
                entries.insert(name, Entry::File(entry.raw_file_position(), entry.size()));
            } else if let (true, Some(target)) = (kind.is_symlink() || kind.is_hard_link(), entry.link_name_bytes()) {
                let target = String::from_utf8_lossy(&target).into_owned();
                let target = if kind.is_symlink() { beside(&name, &target) } else { target };
                entries.insert(name, Entry::Link(target));
            }
            if entries.len() > MAX_ENTRIES {
                return Err(io::Error::other(format!("it has more than {MAX_ENTRIES} files")));
            }
        }
        Ok(Self { file, entries })
    }

    /// A file and its length; links are followed within the archive.
    pub(super) fn get(&self, name: &str) -> io::Result<(impl Read + use<>, u64)> {
        let mut name = self::name(name.as_bytes());
        for _ in 0..MAX_LINKS {
            match self.entries.get(&name) {
                Some(Entry::File(offset, length)) => {
                    let mut file = self.file.try_clone()?;
                    file.seek(SeekFrom::Start(*offset))?;
                    return Ok((file.take(*length), *length));
                }
                Some(Entry::Link(to)) => name = self::name(to.as_bytes()),
                None => break,
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("it has no file `{}`", name.escape_debug())))
    }
}

/// The archive itself, unpacked if it is not.
fn plain(mut file: File, cache: &Cache) -> io::Result<File> {
    let mut start = [0; 6];
    let mut length = 0;
    while length < start.len() {
        match file.read(&mut start[length..])? {
            0 => break,
            read => length += read,
        }
    }
    file.rewind()?;
    let is_packed = matches!(
        start,
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] | [0xfd, b'7', b'z', b'X', b'Z', 0] | [b'B', b'Z', b'h', ..]
    );
    if !is_packed {
        return Ok(file);
    }
    let mut to = tempfile::tempfile_in(cache.work())?;
    io::copy(&mut unpack(BufReader::new(file), MAX_LAYER)?, &mut to)?;
    to.rewind()?;
    Ok(to)
}

/// Headers of long names and extensions are read into memory, and so have to be small.
pub(crate) fn check(file: &File) -> io::Result<()> {
    let mut reader = file;
    reader.rewind()?;
    for entry in tar::Archive::new(BufReader::new(reader)).entries_with_seek()?.raw(true) {
        let entry = entry?;
        let kind = entry.header().entry_type();
        let is_extension = kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions();
        if is_extension && entry.size() > MAX_HEADER {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a tar header is larger than any name needs"));
        }
    }
    Ok(())
}

/// Without `./` before it.
fn name(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.split('/').filter(|part| !part.is_empty() && *part != ".").collect::<Vec<_>>().join("/")
}

/// What a symbolic link's target is, seen from where the link is.
fn beside(link: &str, target: &str) -> String {
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}
