//! Installs real packages next to rpm and compares. Needs uid 0 and rpm; the packages are built by rpmbuild.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::*;

/// Runs jobs in a chroot, for tests: no sandbox, so only uid 0 can.
struct Chroot(PathBuf);

impl Runner for Chroot {
    #[expect(clippy::disallowed_methods, reason = "tests stand in for the sandbox")]
    fn run(&mut self, job: &Job) -> std::io::Result<Outcome> {
        let Program::Command { argv, script } = &job.program else {
            return Err(std::io::Error::other("the test's runner has no Lua"));
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut command = Command::new("chroot");
        command.arg(&self.0).args(argv.iter().map(|arg| text(arg)));
        if let Some(script) = script {
            fs_err::create_dir_all(self.0.join("var/tmp"))?;
            fs_err::write(self.0.join("var/tmp/rpm-tmp.test"), script)?;
            command.arg("/var/tmp/rpm-tmp.test").args(job.args.iter().map(u32::to_string));
        }
        command.env_clear().envs(&job.environment);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().expect("it was asked for").write_all(&job.stdin)?;
        let done = child.wait_with_output()?;
        let end = match done.status.code() {
            Some(0) => End::Success,
            Some(code) => End::Exit(code),
            None => End::Signal(0),
        };
        Ok(Outcome { end, output: [done.stdout, done.stderr].concat() })
    }
}

fn packages(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|ext| ext == "rpm"));
    found.sort();
    found
}

/// By hand: `ROWI_RPMS=folder ROWI_ROOT=new-folder cargo test --release --lib by_hand -- --ignored --nocapture`.
#[test]
#[expect(clippy::print_stderr, reason = "its user waits for the figures")]
#[ignore = "installs a folder of packages given in the environment"]
fn by_hand() {
    let folder = PathBuf::from(std::env::var_os("ROWI_RPMS").unwrap());
    let top = PathBuf::from(std::env::var_os("ROWI_ROOT").unwrap());
    let (root, staging) = (top.join("root"), top.join("staging"));
    for folder in [&root, &staging] {
        fs_err::create_dir_all(folder).unwrap();
    }
    let report = Report::new(|event| {
        if let crate::report::Event::Warning { text } = event {
            eprintln!("warning: {text}");
        }
    });
    let settings = Settings {
        install: Install { docs: true, environment: [("INITRD".into(), "No".into())].into(), ..Install::default() },
        no_scriptlets: std::env::var_os("ROWI_NOSCRIPTS").is_some(),
        epoch: Epoch(1_790_000_000),
    };
    let start = std::time::Instant::now();
    let done = assemble(&packages(&folder), &settings, &root, &staging, &mut Chroot(root.clone()), &report).unwrap();
    eprintln!(
        "{} packages, {} files, {} failures, {:?}",
        done.installed.len(),
        done.files,
        done.failures.len(),
        start.elapsed()
    );
    let start = std::time::Instant::now();
    let mut tree = scan(&root).unwrap();
    eprintln!("scan: {} nodes, {:?}", tree.len(), start.elapsed());
    let start = std::time::Instant::now();
    normalise(&mut tree, settings.epoch);
    eprintln!("normalise: {} nodes, {:?}", tree.len(), start.elapsed());
    let order: Vec<String> = done.installed.iter().map(|it| format!("{}-{}.{}\n", it.name, it.evr, it.arch)).collect();
    fs_err::write(top.join("order"), order.concat()).unwrap();
}
