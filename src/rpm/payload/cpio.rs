//! The records of a payload's cpio archive: `newc` (070701, 070702) and rpm's own stripped form (07070X), which says
//! nothing of a file but its place in the header.
//!
//! Source: rpm 6.1, `lib/cpio.cc`. Numbers are eight hexadecimal digits; records and contents start at multiples of 4.

use std::io::{self, Read};

/// Longest name of a record, its end included (rpm's `CPIO_NAMESIZE_MAX`).
const MAX_NAME: u32 = 4096;

/// What the record after the last is called.
const TRAILER: &[u8] = b"TRAILER!!!";

/// The head of a record; its content follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// A file by name.
    Named {
        /// As written: `./usr/bin/x`, `/usr/bin/x` or `usr/bin/x`.
        name: Vec<u8>,
        /// Bytes of content.
        size: u32,
    },
    /// A file by its place in the header.
    Stripped {
        /// The place.
        index: u32,
    },
    /// There are no more.
    Trailer,
}

impl Head {
    /// Reads a head and its padding; `at` is how far into the archive it starts, and is moved past it.
    pub(super) fn read(source: &mut impl Read, at: &mut u64) -> io::Result<Self> {
        skip_padding(source, at)?;
        let magic: [u8; 6] = take(source, at)?;
        match &magic {
            b"07070X" => {
                let [index] = numbers(source, at)?;
                skip_padding(source, at)?;
                Ok(Self::Stripped { index })
            }
            b"070701" | b"070702" => Self::named(source, at),
            _ => Err(invalid(format!("a cpio record starts with {}", crate::rpm::digest::hex(&magic)))),
        }
    }

    fn named(source: &mut impl Read, at: &mut u64) -> io::Result<Self> {
        // Inode, mode, owner, group, links, time, size, device (2), special device (2), length of the name, checksum.
        let [_, _, _, _, _, _, size, _, _, _, _, name_len, _] = numbers::<13>(source, at)?;
        if !(1..=MAX_NAME).contains(&name_len) {
            return Err(invalid(format!("a cpio name of {name_len} bytes, expected 1 to {MAX_NAME}")));
        }
        let mut name = vec![0; name_len as usize];
        source.read_exact(&mut name)?;
        *at += u64::from(name_len);
        skip_padding(source, at)?;
        if name.pop() != Some(0) || name.contains(&0) {
            return Err(invalid("a cpio name that isn't ended by its only zero".into()));
        }
        Ok(if name == TRAILER { Self::Trailer } else { Self::Named { name, size } })
    }
}

/// Moves to the next multiple of 4.
pub(super) fn skip_padding(source: &mut impl Read, at: &mut u64) -> io::Result<()> {
    let padding = (at.next_multiple_of(4) - *at) as usize;
    source.read_exact(&mut [0; 4][..padding])?;
    *at += padding as u64;
    Ok(())
}

fn take<const N: usize>(source: &mut impl Read, at: &mut u64) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    *at += N as u64;
    Ok(bytes)
}

fn numbers<const N: usize>(source: &mut impl Read, at: &mut u64) -> io::Result<[u32; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let digits: [u8; 8] = take(source, at)?;
        *number =
            digits.iter().try_fold(0, |number, &digit| Some(number << 4 | (digit as char).to_digit(16)?)).ok_or_else(
                || invalid(format!("`{}` is no cpio number", String::from_utf8_lossy(&digits).escape_debug())),
            )?;
    }
    Ok(numbers)
}

pub(super) fn invalid(fault: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_of_both_forms_are_read() {
        let record = |name: &str| {
            let mut bytes = format!("070701{:08x}{:08x}", 1, 0o100_644).into_bytes();
            bytes.extend(format!("{:056x}", 5).bytes().take(32).chain(*b"0000000500000000000000000000000000000000"));
            bytes.truncate(94);
            bytes.extend(format!("{:08x}00000000{name}\0", name.len() + 1).bytes());
            bytes
        };
        let mut at = 0;
        let mut padded = record("./a");
        padded.extend([0; 2]);
        let size = 5;
        assert_eq!(Head::read(&mut padded.as_slice(), &mut at).unwrap(), Head::Named { name: b"./a".into(), size });
        assert_eq!(at, 116);
        at = 0;
        assert_eq!(Head::read(&mut &b"07070X0000001f\0\0"[..], &mut at).unwrap(), Head::Stripped { index: 31 });
        assert_eq!(at, 16);
        assert!(Head::read(&mut &b"07070X0000001g\0\0"[..], &mut 0).is_err());
        assert!(Head::read(&mut &b"junk!!"[..], &mut 0).is_err());
    }
}
