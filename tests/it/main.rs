//! Integration tests.

mod cli;
mod desk;
mod doctor;
mod faults;
mod image;
mod packages;
mod profile;
mod sandbox;
