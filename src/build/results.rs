//! The output folder: files without a name while they are written, their names at the end, and what lies beside them.
//!
//! An image is written to a file that has no name (`O_TMPFILE`), so that a build that is killed leaves nothing; where
//! the file system has no such files, under a name that begins with `.rowi-`.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use serde::Serialize;

use super::{Error, job::Made};
use crate::{
    image::digest,
    plan::{Plan, canonical},
    profile::Format,
    report::Report,
    units::Bytes,
};

/// Open files for the results of a plan.
pub(super) struct Files {
    files: Vec<(Format, OwnedFd, Option<tempfile::TempPath>)>,
    /// Goes after the files.
    folder: Folder,
}

/// A finished result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResultFile {
    /// Where it lies, absolute.
    pub path: PathBuf,
    /// Its length in bytes, holes included.
    pub length: Bytes,
    /// Bytes that it takes on the host's disk.
    pub allocated: Bytes,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// What a build made.
#[derive(Clone, Debug)]
pub struct Built {
    /// Images in the plan's order.
    pub files: Vec<ResultFile>,
    /// Number of packages.
    pub packages: usize,
    /// Scriptlets that failed as the distribution says they may, with the reason.
    pub allowed_failures: Vec<String>,
    /// Other scriptlets that failed.
    pub failures: Vec<String>,
}

/// The output folder. Those that had to be made for it go with it, unless something is in them.
struct Folder {
    path: PathBuf,
    made: Vec<PathBuf>,
}

impl Folder {
    fn make(folder: &Path) -> io::Result<Self> {
        let absolute = std::path::absolute(folder)?;
        let made = absolute.ancestors().take_while(|folder| !folder.exists()).map(Path::to_owned).collect();
        let mut folder = Self { path: absolute, made };
        fs_err::create_dir_all(&folder.path)?;
        folder.path = fs_err::canonicalize(&folder.path)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder with something in it stays, and so do those above it.
        let _ = self.made.iter().try_for_each(fs_err::remove_dir);
    }
}

impl Files {
    /// Opens one file for each output, in `folder`, which is made where it is missing.
    pub(super) fn create(folder: &Path, plan: &Plan) -> Result<Self, Error> {
        let failed = |source| Error::Output { folder: folder.to_owned(), source };
        let folder = Folder::make(folder).map_err(failed)?;
        let files = plan.outputs.iter().map(|format| {
            let (file, name) = nameless(&folder.path)?;
            Ok((*format, file, name))
        });
        let files = files.collect::<io::Result<_>>().map_err(failed)?;
        Ok(Self { files, folder })
    }

    /// In the plan's order.
    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.files.iter().map(|(_, file, _)| file.as_fd())
    }

    /// The open files as paths of this process's, in the plan's order.
    pub(super) fn paths(&self) -> impl Iterator<Item = PathBuf> {
        self.files.iter().map(|(_, file, _)| own_path(file))
    }

    /// Gives everything its name, with the list of packages, the manifest and the digests beside it. What takes long is
    /// done before the first name.
    pub(super) fn keep(self, plan: &Plan, made: Made, report: &Report) -> Result<Built, Error> {
        report.stage("digest");
        let folder = self.folder.path.clone();
        let failed = |source| Error::Output { folder: folder.clone(), source };
        let base = format!("{}-{}.{}-{}", plan.profile, plan.platform, plan.arch, made.version);
        let describe = |(format, file, _): &(Format, OwnedFd, _)| {
            describe(file, folder.join(format!("{base}.{}", format.as_str())))
        };
        let files = self.files.iter().map(describe).collect::<io::Result<Vec<_>>>().map_err(failed)?;
        for ((_, file, _), result) in self.files.iter().zip(&files) {
            place(file, &result.path).map_err(failed)?;
        }
        let mut beside = vec![(format!("{base}.packages"), made.packages.join("\n") + "\n")];
        beside.push((format!("{base}.manifest.json"), manifest(plan, &made, &files)));
        beside.extend(made.block_map.map(|map| (format!("{base}.bmap"), map)));
        let mut sums = String::new();
        for result in &files {
            sums += &format!("{}  {}\n", result.sha256, name(&result.path));
        }
        for (name, text) in &beside {
            sums += &digest::line(&crate::cache::Digest::of(text.as_bytes()), name);
        }
        beside.push((format!("{base}.sha256"), sums));
        for (name, text) in beside {
            write(&folder, &name, text.as_bytes()).map_err(failed)?;
        }
        Ok(Built {
            files,
            packages: made.packages.len(),
            allowed_failures: made.allowed_failures,
            failures: made.failures,
        })
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn nameless(folder: &Path) -> io::Result<(OwnedFd, Option<tempfile::TempPath>)> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, folder, flags, Mode::from_raw_mode(0o666)) {
        Ok(file) => Ok((file, None)),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::NOENT) => {
            let file = tempfile::Builder::new().prefix(".rowi-").tempfile_in(folder)?;
            let (file, path) = file.into_parts();
            Ok((file.into(), Some(path)))
        }
        Err(error) => Err(error.into()),
    }
}

/// proc(5): opens the file anew, also one without a name.
fn own_path(file: &OwnedFd) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// What a file is, for where it will lie.
fn describe(file: &OwnedFd, path: PathBuf) -> io::Result<ResultFile> {
    let sha256 = digest::of_file(&own_path(file))?.to_string();
    let stat = rustix::fs::fstat(file)?;
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let allocated = u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
    Ok(ResultFile { path, length: Bytes(length), allocated: Bytes(allocated), sha256 })
}

/// Puts a file at `path`, whatever was there.
fn place(file: &OwnedFd, path: &Path) -> io::Result<()> {
    let beside = path.with_file_name(format!(".rowi-{}-{}", std::process::id(), name(path)));
    rustix::fs::linkat(CWD, own_path(file), CWD, &beside, AtFlags::SYMLINK_FOLLOW)?;
    fs_err::rename(&beside, path).inspect_err(|_| drop(fs_err::remove_file(&beside)))
}

/// Replaces a small file at once.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o666);
    let mut file = tempfile::Builder::new().prefix(".rowi-").permissions(permissions).tempfile_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(folder.join(name)).map_err(|error| error.error)?;
    Ok(())
}

/// What went in and what came out, as canonical JSON: no path, time of day or host.
fn manifest(plan: &Plan, made: &Made, files: &[ResultFile]) -> String {
    #[derive(Serialize)]
    struct Output {
        name: String,
        size: u64,
        sha256: String,
    }
    #[derive(Serialize)]
    struct Manifest<'a> {
        manifest: u32,
        rowi: &'static str,
        version: &'a str,
        plan: &'a Plan,
        outputs: Vec<Output>,
        allowed_failures: &'a [String],
        failures: &'a [String],
    }
    let outputs = files.iter().map(|file| Output {
        name: name(&file.path),
        size: file.length.get(),
        sha256: file.sha256.clone(),
    });
    let manifest = Manifest {
        manifest: 1,
        rowi: env!("CARGO_PKG_VERSION"),
        version: &made.version,
        plan,
        outputs: outputs.collect(),
        allowed_failures: &made.allowed_failures,
        failures: &made.failures,
    };
    String::from_utf8_lossy(&canonical(&manifest)).into_owned() + "\n"
}
