//! The root tree: packages become files, accounts and an rpm database in an empty folder, with the result that
//! `rpm --root R -U` of the same set gives.

pub mod accounts;
pub mod capability;
pub mod lua;
pub mod normalise;
pub mod order;
pub mod place;
pub mod scan;
pub mod scriptlet;
