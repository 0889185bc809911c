//! Builds immutable openSUSE-style images.
//!
//! ```text
//! profile ─→ repo ─→ solve ─→ lock ─→ plan ─→ root + system ─→ disk ─→ image ─→ verify
//!  asked     exists   chosen   kept    how      the tree        bytes   files    right?
//! ```
//!
//! Everything left of `plan` decides; everything right of it does.

// 1. What is asked.
pub mod profile;

// 2. What exists.
pub mod repo;

// 3. What will be installed.
pub mod lock;
pub mod solve;

// 4. How it will be done.
pub mod inputs;
pub mod plan;

// 5. The root tree.
pub mod root;
pub mod rpm;
pub mod rpmdb;
pub mod system;

// 6. The bytes.
pub mod disk;
pub mod image;

// 7. Is it right.
pub mod verify;

// The stages joined, what people call, and what runs the results.
pub mod boot;
pub mod build;
pub mod cli;

// Under everything.
pub mod cache;
pub mod exec;
pub mod report;
pub mod sandbox;
pub mod tree;
pub mod units;
