//! `boot`: runs an image in QEMU, or checks one from inside.

use std::path::{Path, PathBuf};

use super::{Failure, Outcome, Screen};

/// Run an image in QEMU on a throw-away layer, or check it from inside
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A raw or qcow2 image; otherwise the newest in `./out`
    image: Option<PathBuf>,
}

pub(super) fn run(args: &Args, _screen: &Screen) -> Outcome {
    let image = args.image.clone().map_or_else(|| newest(Path::new("out")), Ok)?;
    Err(Failure::host(format!("cannot boot `{}`: not built in", image.display())))
}

/// The image in a folder that was written last.
fn newest(folder: &Path) -> Result<PathBuf, Failure> {
    let none = || Failure::usage(format!("there is no image in `{}`", folder.display()));
    let entries = fs_err::read_dir(folder).map_err(|cause| none().because(cause))?;
    let images = entries.flatten().map(|entry| entry.path()).filter(|path| is_image(path));
    let dated = images.filter_map(|path| Some((fs_err::metadata(&path).ok()?.modified().ok()?, path)));
    let newest = dated.max().map(|(_, path)| path);
    newest.ok_or_else(|| none().hint("name one, or make one: rowi build --profile kubic"))
}

fn is_image(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "raw" || ending == "qcow2")
}
