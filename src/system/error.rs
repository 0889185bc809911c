//! Why an installed root cannot become the system that was asked for.

use std::io;

use crate::{
    report::{Exit, Explain, printable},
    root::End,
};

/// Why an installed root cannot become the system that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused something.
    #[error("cannot {what}")]
    Io {
        /// What was to be done.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A program of the root's failed.
    #[error("{what} failed: {end}{}", last_lines(output))]
    Program {
        /// What it was to do.
        what: String,
        /// How it ended.
        end: End,
        /// What it wrote.
        output: Vec<u8>,
    },
    /// The root lacks something that the plan needs.
    #[error("the installed packages have no {what}")]
    Missing {
        /// `kernel`, `/usr/lib/grub/i386-pc/boot.img`, …
        what: String,
        /// What brings it.
        hint: &'static str,
    },
    /// The SELinux policy that is installed.
    #[error("the labels of the SELinux policy cannot be read")]
    Labels(#[source] crate::selinux::Error),
    /// A configuration file of a package that has to be added to.
    #[error("`{path}` of the installed packages cannot be added to: {fault}")]
    Broken {
        /// The file.
        path: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// A container image.
    #[error("container image `{name}` cannot be put into the root")]
    Image {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: io::Error,
    },
    /// The profile names an account that the system has not.
    #[error("{what} `{name}` is not known in the installed system")]
    Unknown {
        /// `user`, `group`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl Explain for Error {
    fn exit(&self) -> Exit {
        Exit::Build
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { hint, .. } => vec![(*hint).to_owned()],
            _ => Vec::new(),
        }
    }
}

/// The end of what a program wrote, for people.
fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(5)..];
    last.iter().map(|line| format!("\n  {}", printable(line))).collect()
}
