//! What a build needs of the disks, known from the chosen packages, and whether they have it: told and checked before
//! the first package is fetched.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use super::{Chosen, Error, Options};
use crate::{cache::Cache, profile::Profile, report::Report, units::Bytes};

/// Times the size of all package files that a build needs in its work folder: unpacked, and compressed again.
const WORK: u64 = 5;
/// The same for an image: files compressed as well as in packages, the initrd, what scriptlets make. Measured: 1.16
/// (qcow2 of 250 packages) to 1.52 times (raw of 109).
const IMAGE: u64 = 2;

/// A folder, what for, and how much.
struct Need {
    folder: PathBuf,
    option: &'static str,
    bytes: Bytes,
}

/// Says what a build needs, and ends it before it begins where there is less room.
pub(super) fn check(
    chosen: &Chosen,
    profile: &Profile,
    cache: &Cache,
    options: &Options,
    report: &Report,
) -> Result<(), Error> {
    let packages = &chosen.resolution.packages;
    // Sizes are what metadata says: no sum of them may overflow.
    let (mut all, mut fetch) = (0_u64, 0_u64);
    for package in packages {
        let kept = package.checksum.digest().map(|digest| cache.object(digest)).transpose()?.flatten();
        all = all.saturating_add(package.size.get());
        fetch = fetch.saturating_add(if kept.is_none() { package.size.get() } else { 0 });
    }
    let images = all.saturating_mul(IMAGE).saturating_mul(profile.formats.len() as u64);
    let work = options.keep_failed.as_deref().or(options.work.as_deref()).unwrap_or(cache.folder());
    let needs = [
        Need { folder: cache.folder().to_owned(), option: "--cache", bytes: Bytes(fetch) },
        Need { folder: work.to_owned(), option: "--work-dir", bytes: Bytes(all.saturating_mul(WORK)) },
        Need { folder: options.output.clone(), option: "--output", bytes: Bytes(images) },
    ];
    report.note(format!(
        "{} for {}/{} from {}: {} packages, {} to fetch ({} in the cache); needs about {} in `{}`{}",
        profile.name,
        profile.platform,
        profile.arch,
        profile.distribution.name,
        packages.len(),
        Bytes(fetch),
        Bytes(all - fetch),
        Bytes(needs[1].bytes.get().saturating_add(fetch)),
        work.display(),
        if images > 0 { format!(" and {} in `{}`", Bytes(images), options.output.display()) } else { String::new() },
    ));
    enough(&needs)
}

/// Adds up what each file system is to hold; one that cannot be asked is taken to have enough.
fn enough(needs: &[Need]) -> Result<(), Error> {
    let devices: Vec<Option<u64>> = needs.iter().map(|need| device(&need.folder)).collect();
    for (need, at) in needs.iter().zip(&devices).filter(|(need, _)| need.bytes.get() > 0) {
        let same = needs.iter().zip(&devices).filter(|(_, other)| *other == at && at.is_some());
        let sum = Bytes(same.map(|(need, _)| need.bytes.get()).fold(0, u64::saturating_add));
        let have = existing(&need.folder).and_then(|folder| free(&folder));
        if let Some(have) = have.filter(|have| *have < sum) {
            return Err(Error::Room { folder: need.folder.clone(), option: need.option, need: sum, have });
        }
    }
    Ok(())
}

/// The folder, or the nearest above it that there is.
fn existing(folder: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(folder).ok()?;
    absolute.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned)
}

fn device(folder: &Path) -> Option<u64> {
    Some(fs_err::metadata(existing(folder)?).ok()?.dev())
}

fn free(folder: &Path) -> Option<Bytes> {
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(Bytes(stat.f_bavail.saturating_mul(stat.f_frsize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_disk_share_its_room() {
        let base = tempfile::tempdir().expect("a folder");
        let have = free(base.path()).expect("a file system").get();
        let need = |name: &str, bytes| Need { folder: base.path().join(name), option: "--output", bytes: Bytes(bytes) };
        assert!(enough(&[need("a", 1), need("b/c", have / 2)]).is_ok());
        let error = enough(&[need("a", have / 3 * 2), need("b/c", have / 3 * 2)]).expect_err("too much together");
        assert!(matches!(error, Error::Room { need, .. } if need.get() > have), "{error}");
        // What hostile metadata may say.
        assert!(enough(&[need("a", u64::MAX), need("b/c", u64::MAX)]).is_err());
    }
}
