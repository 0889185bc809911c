//! 5b. What makes the installed packages the system that was asked for: each file of this module is one concern, and
//! turns the plan and the tree into changes.

mod change;

pub use change::Change;
