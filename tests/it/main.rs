//! Integration tests.

mod cli;
mod image;
mod packages;
mod profile;
mod sandbox;
