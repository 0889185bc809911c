//! `boot`: runs an image in QEMU, or checks one from inside.

use std::path::PathBuf;

use super::{Failure, Outcome, Screen};

/// Run an image in QEMU on a throw-away layer, or check it from inside
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A raw or qcow2 image; otherwise the newest in `./out`
    image: Option<PathBuf>,
}

pub(super) fn run(_args: &Args, _screen: &Screen) -> Outcome {
    Err(Failure::host("not built in"))
}
