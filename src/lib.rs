//! Builds immutable openSUSE-style images.
//!
//! ```text
//! profile ─→ repo ─→ solve ─→ lock ─→ plan ─→ root + system ─→ disk ─→ image ─→ verify
//!  asked     exists   chosen   kept    how      the tree        bytes   files    right?
//! ```
//!
//! Everything left of `plan` decides; everything right of it does.
//!
//! # Flow
//!
//! A type at each boundary, a function for each stage; no stage reaches past its neighbour.
//!
//! | stage | takes | gives |
//! |---|---|---|
//! | [`profile::load`] | profile, platform and distribution files, the command line | a checked [`profile::Profile`], or every fault with its line |
//! | [`repo::load`] | the distribution's repositories | [`repo::Packages`]: what exists, signatures checked |
//! | [`solve::solve`] | a [`solve::Wish`] and what exists | a [`solve::Resolution`], or why there is none |
//! | [`lock::Lock`] | a resolution | the file that a review looks at and `--locked` builds from |
//! | [`repo::fetch`] | a resolution | package files in the [`cache`], checked |
//! | [`inputs::resolve`] | the user's own files | their digests; nothing reads those files afterwards |
//! | [`plan::plan`] | all of the above | a [`plan::Plan`]: plain data, printable, comparable |
//! | [`root`] | plan and package files | a tree as `rpm` would have made it, with its database |
//! | [`system`] | plan and tree | changes that make the tree a transactional system |
//! | [`disk`] | plan and tree | a disk: extents in order, sizes known, bytes on demand |
//! | [`image`] | a disk | raw and qcow2 files, written in one pass |
//! | [`mod@verify`] | an image's bytes alone | the promises of the layout that do not hold |
//!
//! [`build`] joins them in two halves. The outer half is everything up to the plan, in the caller's process. The
//! inner half is this program again, in namespaces where it is root over a work folder and nothing else
//! ([`sandbox`]); it sees the plan, the package files and open files for the results. One stage is cached: the initrds,
//! which it is lent by name and hands out again; what was lent is the same bytes as what would be made.
//!
//! # Invariants
//!
//! - `plan` does no I/O. The same inputs give the same plan, byte for byte.
//! - Nothing after `plan` reads a profile. Nothing before it touches the target.
//! - [`disk`] and [`image`] know nothing of packages; [`solve`] knows nothing of disks; [`rpm`] knows nothing of roots.
//! - Time, randomness and the host's identity do not enter: the epoch is the newest package's or `SOURCE_DATE_EPOCH`,
//!   every UUID and salt comes from the plan's digest ([`plan::Seed`]), the number of threads changes no byte.
//! - Only [`exec`] (outside a root) and [`sandbox`] (inside one) start a process.
//! - Only [`cli`] writes to the terminal. Stages emit [`report::Event`]s and return errors that can
//!   [explain](report::Explain) themselves.
//! - Nothing needs root, nothing mounts outside a private mount namespace, nothing uses a loop device.
//! - A module of [`system`] returns changes; it does not write them.
//! - Writers accept checked types only and fail on nothing but I/O.
//! - Whatever comes from outside (files of users, metadata, packages, images) has limits, and never panics.
//! - Half-made things are guards that undo themselves; a build that is killed leaves the output folder as it was,
//!   and at most a work folder that the next command removes.

// 1. What is asked.
pub mod profile;

// 2. What exists.
pub mod repo;

// 3. What will be installed.
pub mod lock;
pub mod oci;
pub mod solve;

// 4. How it will be done.
pub mod inputs;
pub mod plan;

// 5. The root tree.
pub mod root;
pub mod rpm;
pub mod rpmdb;
pub mod selinux;
pub mod strays;
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
mod unpack;
pub mod web;
