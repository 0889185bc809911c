//! 1. What is asked: profile, platform and distribution files become one checked [`Profile`].

mod model;

pub use model::*;

/// A file of an overlay that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltInFile {
    /// Path below the overlay, without a leading slash.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// The files of a built-in overlay, or nothing when the program has none of that name.
pub fn built_in_overlay(_name: &str) -> Option<&'static [BuiltInFile]> {
    None
}
