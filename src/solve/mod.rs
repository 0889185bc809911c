//! 3. What will be installed, or why nothing can be.

mod resolution;

pub use resolution::{Chosen, Reason, Resolution, Source};
