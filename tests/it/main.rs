//! Integration tests.

mod cli;
mod packages;
mod sandbox;
