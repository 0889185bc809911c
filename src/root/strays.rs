//! Packaged files outside of the snapshot, in what all snapshots share.

use super::{Package, fate::Fate};
use crate::{rpm::FileKind, tree::RelPath};

/// A package's files that no update changes and no rollback restores. Folders and symbolic links are left out: they hold nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// `name-version-release.arch`.
    pub package: String,
    /// Where they lie.
    pub paths: Vec<RelPath>,
}

/// What packages placed at or below the paths of `shared`.
pub(super) fn strays(packages: &[Package], fates: &[Vec<Fate>], shared: &[RelPath]) -> Vec<Stray> {
    let of = |(package, fates): (&Package, &Vec<Fate>)| {
        let placed = package.files.iter().zip(fates).filter(|(_, fate)| fate.is_placed()).map(|(file, _)| file);
        let files = placed.filter(|file| !matches!(file.kind, FileKind::Directory | FileKind::Symlink { .. }));
        let lie_there = files.filter(|file| shared.iter().any(|folder| file.path.starts_with(folder)));
        let paths: Vec<RelPath> = lie_there.map(|file| file.path.clone()).collect();
        (!paths.is_empty()).then(|| Stray { package: package.label.clone(), paths })
    };
    packages.iter().zip(fates).filter_map(of).collect()
}
