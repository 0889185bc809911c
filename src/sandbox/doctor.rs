//! What is in the way of the sandbox, as people need to hear it: a refused step becomes the setting to change.

use std::io;

use fs_err as fs;

use super::{Error, Means, Procfs, Step, emulate, mapping, probe};
use crate::{exec::Tool, profile::Arch, report::Explain};

/// One thing that the sandbox needs of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is.
    pub name: String,
    /// Whether it is there.
    pub ok: bool,
    /// What was found.
    pub why: String,
    /// What to do, if it is not.
    pub advice: Option<String>,
}

impl Check {
    fn good(name: &str, why: impl Into<String>) -> Self {
        Self { name: name.into(), ok: true, why: why.into(), advice: None }
    }

    fn bad(name: &str, why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { name: name.into(), ok: false, why: why.into(), advice: Some(advice.into()) }
    }
}

/// Every need of the sandbox's, met or not; the last is the sandbox itself, tried.
pub fn doctor() -> Vec<Check> {
    let mut checks = vec![settings()];
    if !rustix::process::getuid().is_root() {
        checks.extend([tool(&mapping::NEWUIDMAP), tool(&mapping::NEWGIDMAP)]);
    }
    checks.push(match mapping::Mapping::choose() {
        Ok(mapping) => Check::good("ids", format!("root inside is uid {} here", mapping.root().0)),
        Err(error) => failed("ids", &error),
    });
    let means = probe();
    if let Ok(means) = &means {
        checks.extend([Arch::X86_64, Arch::Aarch64].into_iter().filter_map(|arch| emulation(means, arch)));
    }
    checks.push(match means {
        Ok(means) => Check::good(
            "sandbox",
            match means.procfs {
                Procfs::Own => "works, with its own `/proc`",
                Procfs::Bound => "works, with the `/proc` and the processes of its caller: the kernel refuses another",
            },
        ),
        Err(error) => failed("sandbox", &error),
    });
    checks
}

fn failed(name: &str, error: &Error) -> Check {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    let advice = error.hints();
    Check { name: name.into(), ok: false, why: format!("{error}{cause}"), advice: advice.into_iter().next() }
}

fn tool(tool: &Tool) -> Check {
    match tool.find() {
        Some(path) => Check::good(tool.program, path.display().to_string()),
        None => Check::bad(tool.program, "is not installed", tool.advice()),
    }
}

/// Whether roots of another architecture can be built.
fn emulation(means: &Means, arch: Arch) -> Option<Check> {
    let name = format!("{arch} programs");
    Some(match emulate(means.clone(), arch) {
        Ok(means) => Check::good(&name, format!("run by `{}`", means.emulator?.program().display())),
        Err(error) => failed(&name, &error),
    })
}

fn settings() -> Check {
    match barrier(&|path| fs::read_to_string(path).ok()) {
        None => Check::good("user namespaces", "no setting forbids them"),
        Some(advice) => Check::bad("user namespaces", "a setting forbids them", advice),
    }
}

/// The setting that forbids user namespaces, and how to change it. AppArmor's (Ubuntu, from 23.10) concerns users
/// only, and lets the namespace be made but nothing be done in it.
fn barrier(read: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let is = |path: &str, value: &str| read(path).is_some_and(|text| text.trim() == value);
    let sysctl = |name: &str, value: &str| Some(format!("run as root: `sysctl -w {name}={value}`"));
    if is("/proc/sys/user/max_user_namespaces", "0") {
        return sysctl("user.max_user_namespaces", "15000");
    }
    if is("/proc/sys/kernel/unprivileged_userns_clone", "0") {
        return sysctl("kernel.unprivileged_userns_clone", "1");
    }
    if is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") {
        return sysctl("kernel.apparmor_restrict_unprivileged_userns", "0");
    }
    None
}

/// What to change so that a step works.
pub(super) fn advice(step: Step, error: &io::Error) -> String {
    advise(step, error, &|path| fs::read_to_string(path).ok())
}

fn advise(step: Step, error: &io::Error, read: &dyn Fn(&str) -> Option<String>) -> String {
    if let Some(advice) = barrier(read) {
        return advice;
    }
    let filtered = read("/proc/self/status")
        .is_some_and(|text| text.lines().any(|line| line.starts_with("Seccomp:") && line.ends_with('2')));
    match (step, error.raw_os_error()) {
        (Step::User | Step::Namespaces, Some(libc::ENOSPC)) => {
            "a limit on namespaces is reached: see `sysctl -a --pattern 'user.max_.*_namespaces'`".into()
        }
        (Step::User | Step::Namespaces, Some(libc::EINVAL | libc::ENOSYS)) => {
            "the kernel needs CONFIG_USER_NS, CONFIG_PID_NS, CONFIG_IPC_NS, CONFIG_UTS_NS and CONFIG_NET_NS".into()
        }
        _ if filtered => "a container's seccomp profile is in the way: with Docker add `--security-opt seccomp=unconfined --security-opt systempaths=unconfined`; `podman run` needs nothing".into(),
        (Step::Emulation, _) => "Linux before 6.7 takes an emulator from the host alone: register QEMU there with its flag F (Debian: `apt install qemu-user-static binfmt-support`)".into(),
        (Step::Procfs, _) => "parts of `/proc` are masked: with Docker add `--security-opt systempaths=unconfined`".into(),
        (Step::Ids, _) => "see `dmesg` for what refused the ids".into(),
        _ => "see `dmesg` for a security module that is in the way (AppArmor, SELinux)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_setting() {
        const EPERM: i32 = libc::EPERM;
        for (file, value, step, errno, named) in [
            ("/proc/sys/user/max_user_namespaces", "0\n", Step::User, libc::ENOSPC, "user.max_user_namespaces"),
            ("/proc/sys/kernel/unprivileged_userns_clone", "0\n", Step::User, EPERM, "unprivileged_userns_clone=1"),
            (
                "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
                "1\n",
                Step::Namespaces,
                EPERM,
                "apparmor_restrict_unprivileged_userns=0",
            ),
            ("/proc/self/status", "Name:\tx\nSeccomp:\t2\n", Step::User, EPERM, "seccomp=unconfined"),
            ("/proc/self/status", "Seccomp:\t0\n", Step::Procfs, EPERM, "systempaths=unconfined"),
            ("", "", Step::User, libc::EINVAL, "CONFIG_USER_NS"),
        ] {
            let advice =
                advise(step, &io::Error::from_raw_os_error(errno), &|path| (path == file).then(|| value.to_owned()));
            assert!(advice.contains(named), "{advice}");
        }
    }
}
