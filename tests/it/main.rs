//! Integration tests.

mod cli;
mod image;
mod packages;
mod sandbox;
