//! Jobs of packages become commands of the server's.

use std::{io, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Command, End, Place, Procfs, Server, Tools, What};
use crate::root::{self, Job, Outcome, Program, Runner, lua};

/// Time for a scriptlet. Long, since a slow machine must give the same image; short enough that a build that hangs
/// ends in the same night.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// Time for a person, who may have gone home.
const SHELL_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Exit code of a job that was killed for taking too long, as timeout(1) has it.
const LATE: i32 = 124;

/// A Lua chunk on its way to the server's child.
#[derive(Debug, Serialize, Deserialize)]
struct Chunk {
    name: String,
    script: Vec<u8>,
    args: Vec<u32>,
    input: Vec<u8>,
}

impl Server {
    /// A server for scriptlets, as [`Runner`]. To be called while this process has one thread.
    ///
    /// # Errors
    /// The root cannot be entered.
    pub fn for_scriptlets(
        root: &std::path::Path,
        procfs: Procfs,
        terminal: Option<std::os::fd::OwnedFd>,
        tools: Option<&Tools>,
    ) -> io::Result<Self> {
        Self::start(Place { root, procfs, tools }, run_lua, terminal)
    }

    /// A shell on the terminal that the server was given, until it ends. `term` is the terminal's name (`$TERM`).
    ///
    /// # Errors
    /// The server itself is gone, or cannot start anything.
    pub fn shell(&mut self, term: &str) -> io::Result<End> {
        let script = "cd; exec \"$(command -v bash || echo /bin/sh)\"";
        let argv = ["/bin/sh", "-c", script].map(|word| word.as_bytes().to_vec()).into();
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let environment = [("HOME", "/root"), ("PATH", path), ("TERM", term), ("LANG", "C.UTF-8")];
        let command = Command {
            what: What::Program { argv, script: None, args: Vec::new() },
            environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            stdin: Vec::new(),
            terminal: true,
            limit: SHELL_LIMIT,
        };
        Ok(self.run(&command, &mut |_| {})?.end)
    }
}

impl Runner for Server {
    fn run(&mut self, job: &Job) -> io::Result<Outcome> {
        let ended = Self::run(self, &command(job)?, &mut |_| {})?;
        let end = match ended.end {
            End::Exit(0) => root::End::Success,
            End::Exit(code) => root::End::Exit(code),
            End::Signal(signal) => root::End::Signal(signal),
            End::Late => root::End::Exit(LATE),
        };
        Ok(Outcome { end, output: ended.output })
    }
}

fn command(job: &Job) -> io::Result<Command> {
    let what = match &job.program {
        Program::Command { argv, script } => {
            let counts = if script.is_some() { job.args.as_slice() } else { &[] };
            let args = counts.iter().map(u32::to_string).collect();
            What::Program { argv: argv.clone(), script: script.clone(), args }
        }
        Program::Lua { script } => What::Call(serde_json::to_vec(&Chunk {
            name: job.name.clone(),
            script: script.clone(),
            args: job.args.clone(),
            input: job.stdin.clone(),
        })?),
    };
    Ok(Command { what, environment: job.environment.clone(), stdin: job.stdin.clone(), terminal: false, limit: LIMIT })
}

/// In the server's child; its standard error is the job's output.
#[expect(clippy::print_stderr, reason = "standard error is the job's output")]
fn run_lua(data: &[u8]) -> i32 {
    let done = serde_json::from_slice::<Chunk>(data)
        .map_err(|error| error.to_string())
        .and_then(|it| lua::run(&it.name, &it.script, &it.args, &it.input).map_err(|error| error.to_string()));
    match done {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("{error}");
            1
        }
    }
}
