//! Where files are looked for: a path as it is, a name in the search path and then among those built in.

use std::{
    env,
    path::{Component, Path, PathBuf},
};

use super::{Place, builtin, faults::nearest};
use crate::report::Diagnostic;

/// The three kinds of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What the machine is for.
    Profile,
    /// What it boots on.
    Platform,
    /// What it is made of.
    Distribution,
}

impl Kind {
    /// The word in `kind:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Profile => "profile",
            Self::Platform => "platform",
            Self::Distribution => "distribution",
        }
    }

    /// Its folder below a folder of the search path.
    pub(super) fn folder(self) -> &'static str {
        match self {
            Self::Profile => "",
            Self::Platform => "platforms",
            Self::Distribution => "distributions",
        }
    }
}

/// A file that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its name in messages, and what relative paths in it are relative to.
    pub(super) path: PathBuf,
    /// Its text.
    pub(super) text: String,
    /// Whether it is compiled into the program.
    pub(super) built_in: bool,
}

/// No profile is longer.
const MAX_FILE: u64 = 1 << 20;

/// The folders of the search path: name for messages, folder.
pub(super) fn folders() -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = variable("XDG_CONFIG_HOME").or_else(|| variable("HOME").map(|home| home.join(".config")));
    let mut all = vec![PathBuf::from("profiles")];
    all.extend(variable("ROWI_PROFILES"));
    all.extend(config.map(|config| config.join("rowi/profiles")));
    all.push(PathBuf::from("/usr/share/rowi/profiles"));
    all
}

/// Finds a file by name or path; `from` is the line that names it.
pub(super) fn file(kind: Kind, name: &str, from: &Place) -> Result<Found, Diagnostic> {
    if is_path(name) {
        let path = beside(from, name);
        return read(&path).map_err(|cause| {
            let mut fault = Diagnostic::at(from.clone(), format!("cannot read {} `{}`", kind.as_str(), path.display()));
            fault.because.push(cause);
            fault
        });
    }
    for folder in folders() {
        let path = folder.join(kind.folder()).join(format!("{name}.yaml"));
        if path.is_file() {
            return read(&path).map_err(|cause| {
                let mut fault =
                    Diagnostic::at(from.clone(), format!("cannot read {} `{}`", kind.as_str(), path.display()));
                fault.because.push(cause);
                fault
            });
        }
    }
    built_in(kind, name).ok_or_else(|| unknown(kind, name, from))
}

/// A built-in file. Its path is the one it has in rowi's own folder, so relative paths in it mean the same there.
pub(super) fn built_in(kind: Kind, name: &str) -> Option<Found> {
    let path = Path::new("profiles").join(kind.folder()).join(format!("{name}.yaml"));
    let text = builtin::text(path.to_str()?)?.to_owned();
    Some(Found { path, text, built_in: true })
}

fn unknown(kind: Kind, name: &str, from: &Place) -> Diagnostic {
    let all = names(kind);
    let near = nearest(name, all.iter().map(String::as_str));
    let searched: Vec<String> =
        folders().iter().map(|folder| folder.join(kind.folder()).display().to_string()).collect();
    let fault = Diagnostic::at(from.clone(), format!("no {} is named `{name}`", kind.as_str()));
    match near {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint(format!("there are: {}", all.join(", "))),
    }
    .hint(format!(
        "searched {} and those built in; a value with `/` or ending in `.yaml` is a path",
        searched.join(", ")
    ))
}

/// All names of a kind that can be found.
pub(super) fn names(kind: Kind) -> Vec<String> {
    let mut all: Vec<String> = folders().iter().flat_map(|folder| names_in(&folder.join(kind.folder()))).collect();
    all.extend(builtin::names(kind));
    all.sort();
    all.dedup();
    all
}

/// Names of the files in a folder.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(folder) else { return Vec::new() };
    let name =
        |path: PathBuf| (path.extension()? == "yaml").then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten();
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| name(entry.path())).collect();
    names.sort();
    names
}

/// Whether a value is a path and not a name.
pub(super) fn is_path(text: &str) -> bool {
    text.contains('/') || text.ends_with(".yaml")
}

/// A path as the line that holds it means it: `~` is the caller's home, relative is relative to the file.
pub(super) fn beside(from: &Place, text: &str) -> PathBuf {
    if let Some(rest) = text.strip_prefix("~/")
        && let Some(home) = env::var_os("HOME")
    {
        return PathBuf::from(home).join(rest);
    }
    normalised(&base(from).join(text))
}

/// The folder of the file that a place is in; for the command line, where the caller stands.
pub(super) fn base(from: &Place) -> PathBuf {
    if from.file.to_str().is_some_and(|file| file.starts_with("--")) {
        return PathBuf::new();
    }
    from.file.parent().map(Path::to_owned).unwrap_or_default()
}

/// Without `.` and without `x/..`, by the words alone.
pub(super) fn normalised(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(result.components().next_back(), Some(Component::Normal(_))) => {
                result.pop();
            }
            part => result.push(part),
        }
    }
    if result.as_os_str().is_empty() { PathBuf::from(".") } else { result }
}

/// Reads a file of bounded length.
pub(super) fn read(path: &Path) -> Result<Found, String> {
    let length = fs_err::metadata(path).map_err(|error| short(&error))?.len();
    if length > MAX_FILE {
        return Err(format!("it is {length} bytes long; profiles are at most {MAX_FILE}"));
    }
    let text = fs_err::read_to_string(path).map_err(|error| short(&error))?;
    Ok(Found { path: path.to_owned(), text, built_in: false })
}

/// The cause without the path, which the message before it has.
fn short(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".into(),
        std::io::ErrorKind::PermissionDenied => "it may not be read".into(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8".into(),
        _ => error.to_string(),
    }
}
