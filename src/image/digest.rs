//! Digests of results, as `sha256sum --check` reads them.

use std::{
    io::{self, Read},
    path::Path,
};

use fs_err::File;
use sha2::{Digest as _, Sha256};

use crate::cache::Digest;

/// SHA-256 of a file's bytes, holes included.
///
/// # Errors
/// The file cannot be read.
pub fn of_file(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Digest::finish(hasher)),
            count => hasher.update(&buffer[..count]),
        }
    }
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
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(3 << 20).unwrap();
        let digest = of_file(file.path()).unwrap();
        assert_eq!(digest, Digest::of(&vec![0; 3 << 20]));
        assert_eq!(line(&digest, "a.raw"), format!("{digest}  a.raw\n"));
    }
}
