//! The builder's own builds of a foreign root's programs: a folder of unpacked packages becomes a tool root whose
//! programs run inside the foreign root, from `/run/rowi`, without touching a file of it.
//!
//! A program knows two kinds of paths that the foreign root has for its own programs or not at all: its loader
//! (`PT_INTERP`, ELF gABI) and the folders of its libraries. Both are replaced in the bytes, by paths that are not
//! longer: `/usr` and `/run` are alike in length, and `/run` is the server's own, in memory. All else that a program
//! reads, it reads in the root: its configuration, the users, the units.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use memchr::memmem;

use super::{
    Registrations, Tools,
    dispatch::{self, EMULATOR, PLACE},
};
use crate::profile::Native;

/// The loader's name in the tool root.
const LOADER: &str = "ld.so";
/// The name in the tool root of what the kernel starts.
const DISPATCH: &str = "dispatch";
/// Longer files are no programs.
const LONGEST: u64 = 1 << 30;

/// Where library folders are found in the root, and where they are in the tool root.
pub(super) fn links(native: &Native) -> impl Iterator<Item = (String, String)> {
    native.libraries.iter().filter_map(|folder| Some((moved(folder)?, format!("{PLACE}{folder}"))))
}

/// Whether this machine can run its own builds of a foreign root's programs.
pub fn is_known() -> bool {
    dispatch::is_known()
}

/// `/usr/lib64` is looked up as `/run/lib64`.
fn moved(folder: &str) -> Option<String> {
    folder.strip_prefix("/usr").filter(|rest| rest.starts_with('/')).map(|rest| format!("/run{rest}"))
}

/// Makes unpacked packages run in the roots of servers that were started with this folder.
///
/// # Errors
/// The folder cannot be changed, or the kernel has no list of the sandbox's own.
pub fn begin(registrations: &Registrations, Tools { folder, native }: &Tools) -> io::Result<()> {
    for path in &native.emulated {
        match fs_err::remove_file(below(folder, path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let mut loader = None;
    prepare(folder, native, &mut loader)?;
    let Some(loader) = loader else { return Ok(()) };
    let found = [loader.clone(), format!("/usr{loader}")].into_iter().find(|path| below(folder, path).exists());
    let found = found.ok_or_else(|| io::Error::other(format!("no package has the loader `{loader}`")))?;
    std::os::unix::fs::symlink(found.trim_start_matches('/'), folder.join(LOADER))?;
    let program = folder.join(DISPATCH);
    dispatch::write(&mut fs_err::File::create(&program)?)?;
    fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
    std::fs::copy(registrations.emulator(), folder.join(EMULATOR))?;
    registrations.replace(&program)
}

fn below(folder: &Path, path: &str) -> PathBuf {
    folder.join(path.trim_start_matches('/'))
}

/// Changes every ELF file below a folder; `loader` becomes the one that they name.
fn prepare(folder: &Path, native: &Native, loader: &mut Option<String>) -> io::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            prepare(&entry.path(), native, loader)?;
        } else if kind.is_file() && entry.metadata()?.len() <= LONGEST {
            let mut bytes = fs_err::read(entry.path())?;
            if change(&mut bytes, native, loader) {
                fs_err::write(entry.path(), bytes)?;
            }
        }
    }
    Ok(())
}

/// Whether it is an ELF file that was changed.
fn change(bytes: &mut [u8], native: &Native, loader: &mut Option<String>) -> bool {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let mut changed = false;
    if let Some(place) = interpreter(bytes)
        && let Ok(named) = String::from_utf8(bytes[place.clone()].to_vec())
        && let new = format!("{PLACE}/{LOADER}")
        && new.len() <= named.len()
    {
        bytes[place.clone()].fill(0);
        bytes[place.start..place.start + new.len()].copy_from_slice(new.as_bytes());
        if named != new {
            *loader = Some(named);
        }
        changed = true;
    }
    for folder in &native.libraries {
        let Some(new) = moved(folder) else { continue };
        let found: Vec<usize> = memmem::find_iter(bytes, folder.as_bytes()).collect();
        changed |= !found.is_empty();
        found.iter().for_each(|&at| bytes[at..at + new.len()].copy_from_slice(new.as_bytes()));
    }
    changed
}

/// Where the loader's name is, without the zero at its end (ELF gABI, "Program Header": `PT_INTERP`, little-endian,
/// 64 bit).
fn interpreter(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let number = |at: usize, length: usize| -> Option<usize> {
        let field = bytes.get(at..at.checked_add(length)?)?;
        usize::try_from(field.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))).ok()
    };
    let (headers, length, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let header = |index: usize| headers.checked_add(index * length);
    let at = (0..count).filter_map(header).find(|at| number(*at, 4) == Some(3))?;
    let (start, length) = (number(at.checked_add(8)?, 8)?, number(at.checked_add(32)?, 8)?);
    let text = bytes.get(start..start.checked_add(length)?)?;
    let end = text.iter().position(|byte| *byte == 0)?;
    Some(start..start + end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Headers of a file with one segment, `PT_INTERP`, and the texts behind them.
    fn program(loader: &str, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        for (at, value) in [(32, 64), (54, 56), (56, 1), (64, 3), (72, 120), (96, loader.len() as u64 + 1)] {
            bytes[at..at + 2].copy_from_slice(&u16::try_from(value).unwrap().to_le_bytes());
        }
        bytes.extend_from_slice(loader.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(rest);
        bytes
    }

    #[test]
    fn a_program_looks_for_its_loader_and_libraries_in_the_tool_root() {
        let native = Native { libraries: vec!["/usr/lib/x86_64-linux-gnu".into()], ..Native::default() };
        let mut bytes = program("/lib64/ld-linux-x86-64.so.2", b"/usr/lib/x86_64-linux-gnu/perl\0/usr/lib/systemd\0");
        let mut loader = None;
        assert!(change(&mut bytes, &native, &mut loader));
        assert_eq!(loader.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        let texts: Vec<_> = bytes[120..].split(|byte| *byte == 0).filter(|text| !text.is_empty()).collect();
        let expected: [&[u8]; 3] = [b"/run/rowi/ld.so", b"/run/lib/x86_64-linux-gnu/perl", b"/usr/lib/systemd"];
        assert_eq!(texts, expected);
        let links: Vec<_> = links(&native).collect();
        let (place, target) = ("/run/lib/x86_64-linux-gnu", "/run/rowi/usr/lib/x86_64-linux-gnu");
        assert_eq!(links, [(place.to_owned(), target.to_owned())]);

        // Once more: the loader was named before.
        let (again, mut none) = (bytes.clone(), None);
        change(&mut bytes, &native, &mut none);
        assert_eq!((bytes, none), (again, None));
    }

    #[test]
    fn what_is_no_program_stays() {
        let native = Native { libraries: vec!["/usr/lib64".into(), "relative".into()], ..Native::default() };
        for text in [&b"#!/usr/lib64/x"[..], b"\x7fELF", b""] {
            let mut bytes = text.to_vec();
            assert!(!change(&mut bytes, &native, &mut None));
            assert_eq!(bytes, text);
        }
        // Headers that lead nowhere, and a loader whose name is too short for ours.
        let mut wild = program("/lib64/ld-linux-x86-64.so.2", b"");
        wild[32..40].fill(0xff);
        assert!(!change(&mut wild, &native, &mut None));
        let mut short = program("/ld.so", b"");
        assert!(!change(&mut short, &native, &mut None));
    }

    /// Without a tool root there is nothing that it could go on as.
    #[test]
    #[cfg(target_arch = "x86_64")]
    #[expect(clippy::disallowed_methods, reason = "it is the program that is tested")]
    fn what_the_kernel_starts_is_a_program() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(DISPATCH);
        dispatch::write(&mut fs_err::File::create(&path).unwrap()).unwrap();
        fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        // What it names is what the tool root has.
        let named = format!("{PLACE}/{EMULATOR}\0");
        assert!(memmem::find(&fs_err::read(&path).unwrap(), named.as_bytes()).is_some(), "{named}");
        let ended = std::process::Command::new(&path).args(["/bin/true", "true"]).status().unwrap();
        assert_eq!(ended.code(), Some(126));
    }
}
