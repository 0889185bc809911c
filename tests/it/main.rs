//! Integration tests.

mod aarch64;
mod busybox;
mod cli;
mod containers;
mod control_plane;
mod desk;
mod doctor;
mod emulator;
mod faults;
mod image;
mod kills;
mod oracle;
mod packages;
mod place;
mod profile;
mod proved;
mod sandbox;
mod secure_boot;
mod shell;
mod update;
mod web;
mod zypper;
