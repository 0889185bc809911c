//! Programs of the host: looked for first, then run with a known environment.

use std::ffi::OsStr;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::error::{Error, Result};

/// What the generator runs, and the Debian package that has it.
const TOOLS: [(&str, &str); 9] = [
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("rpmbuild", "rpm"),
    ("rpmsign", "rpm"),
    ("createrepo_c", "createrepo-c"),
    ("gpg", "gnupg"),
    ("gpg-agent", "gnupg"),
    ("gpgconf", "gnupg"),
    ("sha256sum", "coreutils"),
];

/// How much of a failed program's standard error is shown.
const SHOWN: usize = 2000;

/// Finds every tool in `PATH`.
///
/// # Errors
/// Names the first missing one and the package to install.
pub(crate) fn check() -> Result<()> {
    TOOLS.into_iter().try_for_each(|(program, package)| find(program, package).map(drop))
}

/// The file of a program in `PATH`.
pub(crate) fn find(program: &'static str, package: &'static str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file()).ok_or(Error::MissingTool { program, package })
}

/// A command with nothing on standard input and the locale and time zone that outputs are compared in.
#[expect(clippy::disallowed_methods, reason = "a program of its own: rowi's `exec` is not part of it")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C.UTF-8").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// Runs a command to its end and returns its standard output.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let Output { status, stdout, stderr } = command.output().map_err(|source| start(command, source))?;
    if status.success() {
        return Ok(stdout);
    }
    Err(failed(command, status, &stderr))
}

/// Runs a command, hands its standard output to `reader` as it comes, and returns what that makes of it.
pub(crate) fn stream<T>(command: &mut Command, reader: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|source| start(command, source))?;
    let mut stdout = child.stdout.take().expect("standard output is piped, three lines above");
    let result = reader(&mut stdout);
    // What lies behind the archive's end is padding; the program may still want to write it.
    let drained = std::io::copy(&mut stdout, &mut std::io::sink());
    let status = child.wait()?;
    let value = result?;
    drained?;
    if status.success() { Ok(value) } else { Err(failed(command, status, b"")) }
}

fn start(command: &Command, source: std::io::Error) -> Error {
    Error::Start { program: command.get_program().to_string_lossy().into_owned(), source }
}

fn failed(command: &Command, status: std::process::ExitStatus, stderr: &[u8]) -> Error {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let text = String::from_utf8_lossy(stderr);
    let from = text.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
    Error::Failed { command: words.join(" "), status, stderr: text[from..].trim_end().to_owned() }
}
