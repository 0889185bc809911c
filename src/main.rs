//! The program: parse, run, print the error, choose the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    // First of all: the inner half enters its namespaces while there is one thread.
    rowi::sandbox::inside::main(rowi::build::inside::main).unwrap_or_else(rowi::cli::run)
}
