//! Tar archives as dpkg-deb writes them: ustar with GNU long names.
//!
//! Read here and not by `tar`, because owners, modes and times go into a package from the archive itself: what the
//! file system of whoever unpacks it makes of them must not matter.

use std::io::{Read, Take};

use crate::error::{Error, Result};

/// Size of a header and unit of padding. POSIX.1-1988 ustar.
const BLOCK: usize = 512;

/// Longest name or link target taken: the kernel's `PATH_MAX`.
const MAX_NAME: u64 = 4096;

/// What an archive's member is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Symlink(String),
    /// A further name of the member at this absolute path.
    HardLink(String),
}

/// One member's header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Absolute, without a slash at the end; the root itself is `/`.
    pub(crate) path: String,
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) user: String,
    pub(crate) group: String,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
}

/// Calls `each` with every member and its contents, in the archive's order.
pub(crate) fn read(
    mut archive: &mut dyn Read,
    mut each: impl FnMut(Member, &mut Take<&mut dyn Read>) -> Result<()>,
) -> Result<()> {
    let mut block = [0; BLOCK];
    let (mut long_name, mut long_link) = (None, None);
    loop {
        archive.read_exact(&mut block)?;
        if block.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let size = octal(&block[124..136])?;
        let mut contents = (&mut archive as &mut dyn Read).take(size);
        match block[156] {
            b'L' => long_name = Some(long(&mut contents)?),
            b'K' => long_link = Some(long(&mut contents)?),
            kind => {
                let member = member(&block, kind, long_name.take(), long_link.take())?;
                each(member, &mut contents)?;
            }
        }
        std::io::copy(&mut contents, &mut std::io::sink())?;
        let padding = size.next_multiple_of(BLOCK as u64) - size;
        std::io::copy(&mut (&mut archive).take(padding), &mut std::io::sink())?;
    }
}

fn member(block: &[u8; BLOCK], kind: u8, name: Option<String>, link: Option<String>) -> Result<Member> {
    let name = match name {
        Some(name) => name,
        None => short_name(block)?,
    };
    let link = match link {
        Some(link) => link,
        None => text(&block[157..257])?,
    };
    let kind = match kind {
        b'0' | 0 => Kind::File,
        b'5' => Kind::Directory,
        b'2' => Kind::Symlink(link),
        b'1' => Kind::HardLink(absolute(&link)?),
        other => return Err(bad(&name, &format!("type 0x{other:02x} has no place in a package"))),
    };
    Ok(Member {
        path: absolute(&name)?,
        kind,
        mode: u32::try_from(octal(&block[100..108])? & 0o7777).expect("twelve bits fit"),
        user: owner(&block[265..297], &block[108..116])?,
        group: owner(&block[297..329], &block[116..124])?,
        mtime: octal(&block[136..148])?,
    })
}

/// The name, behind its prefix if the archive is POSIX and not GNU.
fn short_name(block: &[u8; BLOCK]) -> Result<String> {
    let name = text(&block[0..100])?;
    let posix = &block[257..263] == b"ustar\0";
    let prefix = if posix { text(&block[345..500])? } else { String::new() };
    Ok(if prefix.is_empty() { name } else { format!("{prefix}/{name}") })
}

/// An owner's name, or the number if the archive has no name.
fn owner(name: &[u8], number: &[u8]) -> Result<String> {
    let name = text(name)?;
    if !name.is_empty() {
        return Ok(name);
    }
    Ok(match octal(number)? {
        0 => "root".to_owned(),
        number => number.to_string(),
    })
}

fn absolute(name: &str) -> Result<String> {
    let mut path = String::new();
    for part in name.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." || part.contains('\n') {
            return Err(bad(name, "leads out of the package"));
        }
        path.push('/');
        path.push_str(part);
    }
    Ok(if path.is_empty() { "/".to_owned() } else { path })
}

fn long(contents: &mut impl Read) -> Result<String> {
    let mut bytes = Vec::new();
    contents.take(MAX_NAME + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_NAME {
        return Err(bad("long name", "is longer than a path can be"));
    }
    text(&bytes)
}

fn text(field: &[u8]) -> Result<String> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let text = std::str::from_utf8(&field[..end]);
    text.map(str::to_owned).map_err(|_| bad(&String::from_utf8_lossy(&field[..end]), "is not UTF-8"))
}

fn octal(field: &[u8]) -> Result<u64> {
    let text = text(field)?;
    let digits = text.trim_matches(' ');
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8).map_err(|_| bad(digits, "is no octal number"))
}

fn bad(what: &str, why: &str) -> Error {
    Error::malformed(format!("tar archive: `{what}`"), why)
}
