//! The command line: arguments, one file a subcommand, and everything that people read.
