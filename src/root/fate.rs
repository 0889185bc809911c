//! What becomes of every file of a transaction, decided before any is placed, and the conflicts between packages.
//!
//! rpm's rules for a fresh installation (`skipInstallFiles`, `handleOverlappedFiles` in lib/transaction.cc,
//! `rpmfilesCompare`, `rpmfilesConfigConflict` in lib/rpmfi.cc, rpm 4.18 to 6.0): of equal files the first package's
//! is placed, files that differ are a conflict unless one has the preferred colour, and a `%config` file that is there
//! before the first package is kept or saved. rpm decides after `%pretrans` and before the first `%pre`; so must who
//! calls this.

use std::{collections::HashMap, io};

use super::{folders::Folders, package::Package, place::Root};
use crate::{
    rpm::{FileEntry, FileKind, export::FileState},
    tree::RelPath,
};

/// What becomes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is placed.
    Place,
    /// It is placed as `.rpmnew`: a `%config(noreplace)` file was there.
    PlaceAsNew,
    /// It is placed, and what was there becomes `.rpmorig`.
    SaveOriginal,
    /// An equal file of an earlier package is there, or it is a `%ghost`.
    Leave,
    /// Documentation or a language that is not wanted.
    LeaveOut,
    /// Another package's file of the preferred colour takes its place.
    WrongColor,
}

impl Fate {
    /// Whether the package's file appears under some name.
    pub fn is_placed(self) -> bool {
        matches!(self, Self::Place | Self::PlaceAsNew | Self::SaveOriginal)
    }

    /// What the database says of it. A file that is there by another package is as good as its own.
    pub fn state(self) -> FileState {
        match self {
            Self::LeaveOut => FileState::NotInstalled,
            Self::WrongColor => FileState::WrongColor,
            _ => FileState::Normal,
        }
    }
}

/// What is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Whether `%doc` files are placed.
    pub docs: bool,
    /// Languages whose `%lang` files are placed; empty for all.
    pub locales: Vec<String>,
}

/// Two packages that want different files at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The path.
    pub path: RelPath,
    /// The earlier package.
    pub first: String,
    /// The later package.
    pub second: String,
}

/// ELF64, which rpm prefers where a root may hold both (`%_prefer_color`).
const PREFERRED_COLOR: u32 = 2;

/// Decides about all files of packages that come in this order; the second list is empty when nothing conflicts.
///
/// # Errors
/// What is in the root already cannot be read.
pub fn decide(
    packages: &[&Package],
    selection: &Selection,
    root: &mut Root,
) -> io::Result<(Vec<Vec<Fate>>, Vec<Conflict>)> {
    let mut fates: Vec<Vec<Option<Fate>>> =
        packages.iter().map(|package| left_out(&package.files, selection)).collect();
    let mut folders = Folders::new(packages.iter().flat_map(|package| &package.files));
    let mut seen: HashMap<RelPath, (usize, usize)> = HashMap::new();
    let mut conflicts = Vec::new();
    for (at, package) in packages.iter().enumerate() {
        for (index, file) in package.files.iter().enumerate() {
            if fates[at][index].is_some() {
                continue;
            }
            let path = folders.resolve(&file.path, root)?;
            let before = seen.insert(path.clone(), (at, index));
            let Some((other, other_index)) = before else {
                fates[at][index] = Some(alone(file, &path, root)?);
                continue;
            };
            let other_file = &packages[other].files[other_index];
            let other_fate = fates[other][other_index];
            if same(other_file, file) {
                let is_there = other_fate.is_some_and(Fate::is_placed) && !other_file.flags.is_ghost();
                fates[at][index] = Some(match other_fate {
                    Some(Fate::WrongColor) => Fate::WrongColor,
                    _ if is_there || file.flags.is_ghost() => Fate::Leave,
                    _ => alone(file, &path, root)?,
                });
                if is_there {
                    // Whoever comes next is compared with the one that is there.
                    seen.insert(path, (other, other_index));
                }
            } else if let Some(mine) = preferred(file, other_file) {
                let (loser, winner) =
                    if mine { ((other, other_index), (at, index)) } else { ((at, index), (other, other_index)) };
                fates[loser.0][loser.1] = Some(Fate::WrongColor);
                fates[winner.0][winner.1] = Some(Fate::Place);
                seen.insert(path, winner);
            } else {
                let labels = [other, at].map(|at| packages[at].label.clone());
                let [first, second] = labels;
                conflicts.push(Conflict { path: file.path.clone(), first, second });
            }
        }
    }
    let fates = fates.into_iter().map(|list| list.into_iter().map(|fate| fate.unwrap_or(Fate::Place)).collect());
    Ok((fates.collect(), conflicts))
}

/// Files that the selection leaves out, and folders of the package's own that are empty because of it.
fn left_out(files: &[FileEntry], selection: &Selection) -> Vec<Option<Fate>> {
    let unwanted = |file: &FileEntry| {
        let foreign = !selection.locales.is_empty()
            && !file.language.is_empty()
            && !file.language.split('|').any(|language| {
                !language.is_empty() && selection.locales.iter().any(|wanted| wanted.starts_with(language))
            });
        !file.flags.is_license() && (foreign || file.flags.is_doc() && !selection.docs)
    };
    let mut fates: Vec<Option<Fate>> = files.iter().map(|file| unwanted(file).then_some(Fate::LeaveOut)).collect();
    let mut inside: HashMap<RelPath, (usize, usize)> = HashMap::new();
    for (file, fate) in files.iter().zip(&fates) {
        let (left, out) = inside.entry(file.path.parent().unwrap_or_default()).or_default();
        *(if fate.is_some() { out } else { left }) += 1;
    }
    // From the deepest up: a folder that goes may leave its parent empty.
    let mut order: Vec<usize> = (0..files.len()).filter(|&at| files[at].kind == FileKind::Directory).collect();
    order.sort_by(|&a, &b| files[b].path.cmp(&files[a].path));
    for at in order {
        if fates[at].is_none() && inside.get(&files[at].path).is_some_and(|&(left, out)| left == 0 && out > 0) {
            fates[at] = Some(Fate::LeaveOut);
            let (left, out) = inside.entry(files[at].path.parent().unwrap_or_default()).or_default();
            (*left, *out) = (left.saturating_sub(1), *out + 1);
        }
    }
    fates
}

/// A file that no other package has.
fn alone(file: &FileEntry, path: &RelPath, root: &mut Root) -> io::Result<Fate> {
    if file.flags.is_ghost() {
        return Ok(Fate::Leave);
    }
    let may_be_config = matches!(file.kind, FileKind::Regular | FileKind::Symlink { .. });
    if !file.flags.is_config() || !may_be_config || !super::folders::differs(file, path, root)? {
        return Ok(Fate::Place);
    }
    Ok(if file.flags.is_noreplace() { Fate::PlaceAsNew } else { Fate::SaveOriginal })
}

/// Whether two packages mean the same file. A ghost is the same as anything; times do not count.
fn same(a: &FileEntry, b: &FileEntry) -> bool {
    if a.flags.is_ghost() || b.flags.is_ghost() {
        return true;
    }
    let owners = (&a.user, &a.group) == (&b.user, &b.group);
    match (&a.kind, &b.kind) {
        (FileKind::Symlink { target: one }, FileKind::Symlink { target: other }) => owners && one == other,
        (FileKind::Regular, FileKind::Regular) => owners && (a.mode, a.size, &a.digest) == (b.mode, b.size, &b.digest),
        (one, other) => owners && one == other && a.mode == b.mode,
    }
}

/// Of two ELF files of different class: whether the first wins, or nothing where colour decides nothing.
fn preferred(mine: &FileEntry, other: &FileEntry) -> Option<bool> {
    if mine.color == 0 || other.color == 0 || mine.color == other.color {
        None
    } else if mine.color & PREFERRED_COLOR != 0 {
        Some(true)
    } else {
        (other.color & PREFERRED_COLOR != 0).then_some(false)
    }
}
