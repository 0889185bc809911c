//! Digests of results, as `sha256sum --check` reads them.

use std::{
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use fs_err::File;
use sha2::{Digest as _, Sha256};

use crate::cache::Digest;

/// Bytes that are read, and zeros that are hashed, at once.
const PIECE: u64 = 1 << 20;

/// SHA-256 of a file's bytes, holes included. What lies in a hole is hashed but not read: reading them would fill the
/// page cache with zeros, which takes longer than hashing them.
///
/// # Errors
/// The file cannot be read.
pub fn of_file(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let zeros = vec![0; PIECE as usize];
    let mut hasher = Sha256::new();
    let mut at = 0;
    while at < length {
        let data = find(&file, rustix::fs::SeekFrom::Data(at), length)?;
        for piece in pieces(data - at) {
            hasher.update(&zeros[..piece]);
        }
        at = find(&file, rustix::fs::SeekFrom::Hole(data), length)?;
        file.seek(SeekFrom::Start(data))?;
        hash(&mut file, at - data, &mut hasher)?;
    }
    Ok(Digest::finish(hasher))
}

/// Where data or a hole begins (lseek(2), `SEEK_DATA`, `SEEK_HOLE`); the end where there is none.
fn find(file: &File, what: rustix::fs::SeekFrom, length: u64) -> io::Result<u64> {
    match rustix::fs::seek(file, what) {
        Ok(offset) => Ok(offset.min(length)),
        Err(rustix::io::Errno::NXIO) => Ok(length),
        Err(error) => Err(error.into()),
    }
}

fn hash(file: &mut File, length: u64, hasher: &mut Sha256) -> io::Result<()> {
    let mut buffer = vec![0; PIECE as usize];
    for piece in pieces(length) {
        file.read_exact(&mut buffer[..piece])?;
        hasher.update(&buffer[..piece]);
    }
    Ok(())
}

/// A length in pieces.
fn pieces(length: u64) -> impl Iterator<Item = usize> {
    // No piece is larger than PIECE, which is a usize.
    (0..length.div_ceil(PIECE)).map(move |number| (length - number * PIECE).min(PIECE) as usize)
}

/// The line of a `.sha256` file: coreutils' format, digest, two spaces (binary and text are the same here), the name
/// without its folder. A name with a line feed or backslash would need escapes; results have none.
pub fn line(digest: &Digest, name: &str) -> String {
    debug_assert!(!name.contains(['\n', '\\', '/']));
    format!("{digest}  {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_the_whole_file() {
        use std::os::unix::fs::FileExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len((3 << 20) + 5).unwrap();
        let mut whole = vec![0; (3 << 20) + 5];
        assert_eq!(of_file(file.path()).unwrap(), Digest::of(&whole));
        for offset in [0, 1 << 20, (2 << 20) + 4097, (3 << 20) + 4] {
            file.as_file().write_all_at(b"x", offset).unwrap();
            whole[offset as usize] = b'x';
        }
        let digest = of_file(file.path()).unwrap();
        assert_eq!(digest, Digest::of(&whole));
        assert_eq!(line(&digest, "a.raw"), format!("{digest}  a.raw\n"));
    }
}
