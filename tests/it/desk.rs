//! A person's desk: the program, a folder, and nothing of whoever runs the tests.

use std::path::Path;

use assert_cmd::Command;

/// The program in a folder of its own, with its own cache, home and no settings of the caller's.
pub(crate) struct Desk(tempfile::TempDir);

/// What it said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowi"));
        command
            .current_dir(self.folder())
            .env_clear()
            .env("HOME", self.folder())
            .env("PATH", "/usr/sbin:/usr/bin:/bin");
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.said(self.command().args(args))
    }

    pub(crate) fn said(&self, command: &mut Command) -> Said {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec()).unwrap().replace(self.folder().to_str().unwrap(), "/home/operator")
        };
        let code = output.status.code().unwrap_or(-1);
        Said { code, stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}
