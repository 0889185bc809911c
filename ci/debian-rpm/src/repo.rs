//! The folder of packages as a signed repository, made anew only where something changed.
//!
//! Beside each package lies a stamp in `.stamps`, which says from what the package was made and when it is dated.

use std::collections::BTreeSet;
use std::fs::FileTimes;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::sign::{self, Signer};
use crate::tool;

/// Raised whenever the same inputs make other packages.
const GENERATOR: u32 = 2;

/// The repository of one architecture.
#[derive(Debug)]
pub(crate) struct Repo {
    folder: PathBuf,
}

impl Repo {
    /// The repository in a folder, which is made if it is not there.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        fs_err::create_dir_all(folder.join(".stamps"))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Whether the package of a file name is there and was made from `key`.
    pub(crate) fn is_current(&self, file_name: &str, key: &str) -> bool {
        let stamp = fs_err::read_to_string(self.stamp(file_name)).unwrap_or_default();
        stamp.split_once('\n').is_some_and(|(_, made_from)| made_from == with_generator(key))
            && self.package(file_name).is_file()
    }

    /// Takes a finished package in.
    pub(crate) fn put(&self, rpm: &Path, file_name: &str, key: &str, epoch: u64) -> Result<()> {
        let half_made = self.folder.join(".stamps").join(format!("{file_name}.part"));
        fs_err::copy(rpm, &half_made)?;
        fs_err::set_permissions(&half_made, PermissionsExt::from_mode(0o644))?;
        // The metadata repeats the file's time.
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(epoch);
        let file = fs_err::OpenOptions::new().write(true).open(&half_made)?;
        file.file().set_times(FileTimes::new().set_modified(time))?;
        remove(&self.folder.join("repodata"))?;
        let package = self.package(file_name);
        fs_err::create_dir_all(package.parent().expect("it lies in an architecture's folder"))?;
        fs_err::rename(&half_made, package)?;
        fs_err::write(self.stamp(file_name), format!("{epoch}\n{}", with_generator(key)))?;
        Ok(())
    }

    /// Removes all packages but those of the names.
    pub(crate) fn retain(&self, file_names: &BTreeSet<String>) -> Result<()> {
        for arch in ["noarch", "x86_64", "aarch64"].into_iter().filter(|arch| self.folder.join(arch).is_dir()) {
            for entry in fs_err::read_dir(self.folder.join(arch))? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                if !file_names.contains(&name) {
                    remove(&self.folder.join("repodata"))?;
                    fs_err::remove_file(self.folder.join(arch).join(&name))?;
                    drop(fs_err::remove_file(self.stamp(&name)));
                }
            }
        }
        Ok(())
    }

    /// Writes and signs the metadata if they are not there. They are dated like the newest package.
    pub(crate) fn finish(&self, file_names: &BTreeSet<String>, signer: &Signer) -> Result<bool> {
        let repodata = self.folder.join("repodata");
        if repodata.join("repomd.xml.key").is_file() {
            return Ok(false);
        }
        remove(&repodata)?;
        let epochs: Vec<_> = file_names.iter().map(|name| self.epoch(name)).collect::<Result<_>>()?;
        let newest = epochs.into_iter().max().unwrap_or(0);
        let mut createrepo = tool::command("createrepo_c");
        createrepo.args(["--quiet", "--no-database", "--set-timestamp-to-revision", "--excludes=.stamps/*"]);
        tool::output(createrepo.arg(format!("--revision={newest}")).arg(&self.folder))?;
        let repomd = repodata.join("repomd.xml");
        signer.sign_file(&repomd, &repodata.join("repomd.xml.asc"), newest)?;
        // The last file: where it is, the others are.
        fs_err::write(repodata.join("repomd.xml.key"), sign::PUBLIC)?;
        Ok(true)
    }

    fn epoch(&self, file_name: &str) -> Result<u64> {
        let stamp = fs_err::read_to_string(self.stamp(file_name))?;
        let epoch = stamp.split_once('\n').and_then(|(epoch, _)| epoch.parse().ok());
        epoch.ok_or_else(|| Error::malformed(format!("stamp of `{file_name}`"), "has no date"))
    }

    fn package(&self, file_name: &str) -> PathBuf {
        // By construction the name ends with `.<arch>.rpm`.
        let arch = file_name.rsplit('.').nth(1).unwrap_or("noarch");
        self.folder.join(arch).join(file_name)
    }

    fn stamp(&self, file_name: &str) -> PathBuf {
        self.folder.join(".stamps").join(file_name)
    }
}

fn with_generator(key: &str) -> String {
    format!("generator {GENERATOR}\n{key}")
}

fn remove(folder: &Path) -> Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
