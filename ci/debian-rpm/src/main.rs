//! Makes the test distribution: Debian's packages, rewrapped as RPMs, in a signed repository.
//!
//! *Flow:* [`apt`] brings the `.deb` files of a list; [`rewrap`] turns each into a [`spec`] and a [`tree`] of files,
//! with its maintainer scripts as scriptlets ([`script`]); [`rpmbuild`] makes an RPM of them and [`sign`]s it; two
//! packages come on top, the distribution's own ([`release`]) and the one that stands for the essential set
//! ([`essential`]); [`repo`] keeps them and writes the metadata. The packages are a function of the `.deb` files, and
//! of the host's versions of rpm and zstd; the host's users, clock, umask and folders do not matter.

#![expect(clippy::print_stderr, reason = "a program: progress and errors go there")]

mod apt;
mod control;
mod error;
mod essential;
mod release;
mod repo;
mod rewrap;
mod rpmbuild;
mod script;
mod sign;
mod spec;
mod tar;
#[cfg(test)]
mod tests;
mod tool;
mod tree;
mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use error::{Error, Result};

const USAGE: &str = "usage: debian-rpm [--arch x86_64|aarch64] [--output FOLDER] [--all] [--refresh]

Downloads Debian's packages, rewraps them as RPMs and writes a signed repository, by default to
target/debian-rpm/<arch>. --all: those of a desktop and a media server, too (hundreds more).
--refresh asks for new package lists; without it those of the last 12 hours do.
DEBIAN_MIRROR is the address of an archive; by default that of the host's own sources.";

/// The command line.
#[derive(Debug)]
struct Arguments {
    arch: String,
    output: PathBuf,
    /// Where apt's files are kept between runs.
    downloads: PathBuf,
    all: bool,
    refresh: bool,
}

fn main() -> ExitCode {
    let result = arguments(std::env::args().skip(1)).and_then(|arguments| match arguments {
        Some(arguments) => run(&arguments),
        None => {
            eprintln!("{USAGE}");
            Ok(())
        }
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(match error {
                Error::Usage(_) => 2,
                Error::MissingTool { .. } => 4,
                _ => 1,
            })
        }
    }
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Option<Arguments>> {
    let (mut arch, mut output, mut all, mut refresh) = (std::env::consts::ARCH.to_owned(), None, false, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| Error::Usage(format!("`{word}` needs a value\n{USAGE}")));
        match word.as_str() {
            "--arch" => arch = value()?,
            "--output" => output = Some(PathBuf::from(value()?)),
            "--all" => all = true,
            "--refresh" => refresh = true,
            "--help" | "-h" => return Ok(None),
            _ => return Err(Error::Usage(format!("unknown argument `{word}`\n{USAGE}"))),
        }
    }
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debian-rpm");
    let output = output.unwrap_or_else(|| target.join(&arch));
    let downloads = target.join("downloads").join(&arch);
    Ok(Some(Arguments { arch, output, downloads, all, refresh }))
}

fn run(arguments: &Arguments) -> Result<()> {
    tool::check()?;
    let apt = apt::Apt::new(&arguments.downloads, &arguments.arch, arguments.all)?;
    apt.update(arguments.refresh)?;
    let debs = apt.download()?;
    eprintln!("{} packages from Debian", debs.len());
    work::repository(&debs, &arguments.output)
}

fn report(error: &Error) {
    eprintln!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        eprintln!("  because {error}");
        cause = error.source();
    }
}
