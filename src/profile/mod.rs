//! 1. What is asked: profile, platform and distribution files become one checked [`Profile`].

mod model;

pub use model::*;
