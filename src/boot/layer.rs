//! A layer over the image, which is thrown away with its folder.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Error, Options};
use crate::exec::{self, Tool};

const QEMU_IMG: Tool = Tool { program: "qemu-img", debian: "qemu-utils", opensuse: "qemu-img" };

/// A qcow2 in `folder`, of the image's size or of another number of bytes.
pub(super) fn over(options: &Options, size: Option<u64>, folder: &Path) -> Result<PathBuf, Error> {
    let layer = folder.join("layer.qcow2");
    let image = fs_err::canonicalize(&options.image).map_err(|source| Error::Io { what: "find the image", source })?;
    let size = size.map(|size| size.to_string());
    let mut args = ["create", "-q", "-f", "qcow2", "-F", options.format(), "-b"].map(OsStr::new).to_vec();
    args.extend([image.as_os_str(), layer.as_os_str()]);
    args.extend(size.as_deref().map(OsStr::new));
    exec::run(&QEMU_IMG, &args, Duration::from_secs(60))?;
    Ok(layer)
}
