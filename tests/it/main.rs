//! Integration tests.

mod packages;
