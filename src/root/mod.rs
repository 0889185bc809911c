//! 5. The root tree: packages become files, accounts and an rpm database in an empty folder, with the result that
//! `rpm --root R -U` of the same set gives.

pub mod order;
pub mod place;
pub mod scriptlet;
