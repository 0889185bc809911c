//! Integration tests.

mod packages;
mod sandbox;
