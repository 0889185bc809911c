//! Runs jobs in a chroot, for tests: no sandbox, so only uid 0 can.

use std::{
    io::{self, Read, Write},
    os::fd::{FromRawFd, OwnedFd},
    path::PathBuf,
    process::{Command, Stdio},
};

use crate::root::{End, Job, Outcome, Program, Runner, lua};

pub(super) struct Chroot(pub(super) PathBuf);

impl Runner for Chroot {
    fn run(&mut self, job: &Job) -> io::Result<Outcome> {
        match &job.program {
            Program::Command { argv, script } => self.command(job, argv, script.as_deref()),
            Program::Lua { script } => self.lua(job, script),
        }
    }
}

impl Chroot {
    #[expect(clippy::disallowed_methods, reason = "tests stand in for the sandbox")]
    fn command(&self, job: &Job, argv: &[Vec<u8>], script: Option<&[u8]>) -> io::Result<Outcome> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut command = Command::new("chroot");
        command.arg(&self.0).args(argv.iter().map(|arg| text(arg)));
        let file = self.0.join("var/tmp/rpm-tmp.test");
        if let Some(script) = script {
            fs_err::create_dir_all(self.0.join("var/tmp"))?;
            fs_err::write(&file, script)?;
            command.arg("/var/tmp/rpm-tmp.test").args(job.args.iter().map(u32::to_string));
        }
        command.env_clear().envs(&job.environment);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().expect("it was asked for").write_all(&job.stdin)?;
        let done = child.wait_with_output()?;
        if script.is_some() {
            fs_err::remove_file(file)?;
        }
        let end = match done.status.code() {
            Some(0) => End::Success,
            Some(code) => End::Exit(code),
            None => End::Signal(0),
        };
        Ok(Outcome { end, output: [done.stdout, done.stderr].concat() })
    }

    #[expect(unsafe_code, reason = "tests stand in for the sandbox")]
    fn lua(&self, job: &Job, script: &[u8]) -> io::Result<Outcome> {
        let mut pipe = [0; 2];
        // SAFETY: the array has room for two descriptors, which nothing else owns; the child ends with `_exit`.
        let (pid, mut read) = unsafe {
            assert_eq!(libc::pipe(pipe.as_mut_ptr()), 0);
            let pid = libc::fork();
            if pid == 0 {
                libc::dup2(pipe[1], 1);
                libc::dup2(pipe[1], 2);
                rustix::process::chroot(&self.0).unwrap();
                rustix::process::chdir("/").unwrap();
                let done = lua::run(&job.name, script, &job.args, &job.stdin);
                if let Err(error) = &done {
                    let _ = std::io::stderr().write_all(error.to_string().as_bytes());
                }
                libc::_exit(done.is_err().into());
            }
            libc::close(pipe[1]);
            (pid, fs_err::File::from_parts(std::fs::File::from(OwnedFd::from_raw_fd(pipe[0])), "pipe"))
        };
        let mut output = Vec::new();
        read.read_to_end(&mut output)?;
        let mut status = 0;
        // SAFETY: the child is ours and is waited for once.
        unsafe { libc::waitpid(pid, &mut status, 0) };
        let end = if status == 0 { End::Success } else { End::Exit(libc::WEXITSTATUS(status)) };
        Ok(Outcome { end, output })
    }
}
