//! Signatures by the test key, dated like what they sign.
//!
//! Ed25519 signatures of the same bytes at the same time are the same bytes.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::error::Result;
use crate::rpmbuild::folder;
use crate::tool;

/// The public half, as the repository and the distribution's package ship it.
pub(crate) const PUBLIC: &str = include_str!("../test-key.asc");

/// The secret half: public on purpose, see the file.
const SECRET: &str = include_str!("../test-key.secret.asc");

/// The key's fingerprint.
const FINGERPRINT: &str = "3C38DEAF58CC7BA9F70223388012A911326E91F6";

/// GnuPG with the test key and nothing else.
#[derive(Debug)]
pub(crate) struct Signer {
    home: TempDir,
}

impl Signer {
    /// Imports the key into a home of its own. A short path: the agent's socket lies there.
    pub(crate) fn new() -> Result<Self> {
        let home = tempfile::Builder::new().prefix("drpm").tempdir()?;
        let signer = Self { home };
        let key = signer.home.path().join("key");
        fs_err::write(&key, SECRET)?;
        tool::output(signer.gpg().arg("--import").arg(&key))?;
        Ok(signer)
    }

    /// Signs a package in place.
    pub(crate) fn sign_package(&self, rpm: &Path, epoch: u64) -> Result<()> {
        let home = folder(self.home.path())?;
        let mut command = tool::command("rpmsign");
        command.arg("--addsign").env("GNUPGHOME", home).env("HOME", home);
        // rpm's own default names a file that Debian does not have.
        let gpg = tool::find("gpg", "gnupg")?;
        for (name, value) in [
            ("__gpg", folder(&gpg)?),
            ("_gpg_path", home),
            ("_gpg_name", FINGERPRINT),
            ("_gpg_digest_algo", "sha256"),
            ("_gpg_sign_cmd_extra_args", &format!("--batch --faked-system-time {epoch}!")),
        ] {
            command.arg("-D").arg(format!("{name} {value}"));
        }
        tool::output(command.arg(rpm))?;
        Ok(())
    }

    /// Writes a detached, armoured signature of a file.
    pub(crate) fn sign_file(&self, file: &Path, signature: &Path, epoch: u64) -> Result<()> {
        let mut gpg = self.gpg();
        gpg.arg("--faked-system-time").arg(format!("{epoch}!")).args(["--digest-algo", "sha256", "--yes"]);
        gpg.args(["--local-user", FINGERPRINT, "--armor", "--output"]).arg(signature).arg("--detach-sign").arg(file);
        tool::output(&mut gpg)?;
        Ok(())
    }

    fn gpg(&self) -> Command {
        let mut gpg = tool::command("gpg");
        gpg.env("GNUPGHOME", self.home.path()).args(["--batch", "--quiet", "--no-tty"]);
        gpg
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // Best effort: an agent without its home ends by itself within a minute.
        drop(tool::output(tool::command("gpgconf").env("GNUPGHOME", self.home.path()).args(["--kill", "all"])));
    }
}
