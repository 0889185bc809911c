//! `cache`: where it is, whether it is sound, and making room.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use super::{Failure, Global, Outcome, out};
use crate::{
    build,
    cache::{Cache, Kind},
};

/// Look after the cache of packages, metadata and stages
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print where the cache is
    Path,
    /// Read everything and remove what is damaged
    Verify,
    /// Remove what is in the cache
    Clear {
        /// Kinds to keep
        #[arg(long, value_delimiter = ',', value_enum, value_name = "KIND")]
        keep: Vec<Keep>,
    },
}

/// Kinds of what is in the cache.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Keep {
    Packages,
    Metadata,
    Inputs,
    Images,
    Stages,
}

impl Keep {
    fn kind(self) -> Kind {
        match self {
            Self::Packages => Kind::Package,
            Self::Metadata => Kind::Metadata,
            Self::Inputs => Kind::Input,
            Self::Images => Kind::Image,
            Self::Stages => Kind::Stage,
        }
    }
}

pub(super) fn run(args: &Args, global: &Global) -> Outcome {
    match &args.what {
        What::Path => {
            let folder = global.cache.clone().map_or_else(Cache::default_folder, Ok)?;
            out(&format!("{}\n", folder.display()))?;
        }
        What::Verify => return verify(&open(global)?),
        What::Clear { keep } => {
            let keep: Vec<Kind> = keep.iter().map(|keep| keep.kind()).collect();
            let cache = open(global)?;
            cache.clear(&keep)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The cache that the options name, without what killed commands left in it.
pub(super) fn open(global: &Global) -> Result<Cache, Failure> {
    let folder = global.cache.clone().map_or_else(Cache::default_folder, Ok)?;
    let cache = Cache::open(folder)?;
    build::sweep(&cache);
    Ok(cache)
}

fn verify(cache: &Cache) -> Outcome {
    let verified = cache.verify()?;
    out(&format!("{} objects are sound, {} were damaged and are gone\n", verified.sound, verified.damaged.len()))?;
    Ok(ExitCode::SUCCESS)
}
