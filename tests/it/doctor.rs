//! What a machine allows: each of the sandbox's ways is made for real, on this machine, and taken by the program.
//!
//! 1. all namespaces and an own procfs: every other test;
//! 2. procfs refused, since the caller's is covered in part, as in a container: the caller's is bound;
//! 3. no user namespace, by a setting or a seccomp filter, or no ids: exit 4 before the first word to a repository.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
};

use assert_cmd::Command;

use crate::place::{Place, Said, USER, skip};

/// Covers a part of `/proc`, as container engines do; the kernel then refuses a new procfs in a user namespace
/// (`mount_too_revealing`, fs/namespace.c, Linux 6.12).
const COVER: &str = "mount -t tmpfs none /proc/acpi";

#[test]
fn a_covered_procfs_is_bound_for_root_and_for_users() {
    let Some(place) = Place::new() else { return };
    if !Path::new("/proc/acpi").is_dir() {
        return skip("there is no `/proc/acpi` to cover").unwrap_or(());
    }
    for user in ["root", USER] {
        let own = ["ok  sandbox", "with its own `/proc`"];
        place.run("", user, &["doctor"]).expect(0, &own);
        let bound = ["ok  sandbox", "with the `/proc` and the processes of its caller"];
        place.run(COVER, user, &["doctor"]).expect(0, &bound);
    }
}

/// The same bytes whichever way is taken, by root and by a user.
#[test]
fn both_ways_give_the_same_bytes() {
    let Some(place) = Place::with_packages() else { return };
    let digest = |before: &str, user: &str, output: &str| {
        let small = place.small();
        let args = ["build", "--quiet", "--format", "qcow2", "--output", output];
        let said = place.run(before, user, &[&args[..], &small.each_ref().map(String::as_str)].concat());
        let warned = said.stderr.contains("warning: the kernel refuses a procfs of the sandbox's own");
        assert_eq!(warned, before == COVER, "{}", said.stderr);
        said.expect(0, &[".qcow2"]);
        let sums = PathBuf::from(said.stdout.lines().next().unwrap()).with_extension("sha256");
        fs_err::read_to_string(sums).unwrap()
    };
    let own = digest("", "root", "own");
    assert_eq!(own, digest(COVER, "root", "bound"));
    assert_eq!(own, digest(COVER, USER, "bound"));
}

/// A repository on the loopback that hears of nothing.
fn silent_repository() -> (TcpListener, String) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let url = format!("oss=http://{}", server.local_addr().unwrap());
    (server, url)
}

fn heard_nothing(server: &TcpListener) {
    let error = server.accept().expect_err("a repository was asked");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn without_namespaces_a_build_ends_before_the_first_download() {
    let Some(place) = Place::new() else { return };
    let (server, url) = silent_repository();
    let build = ["build", "--profile", "kubic", "--repo", &url];
    for args in [&["doctor"][..], &build] {
        by_setting(&place, args)
            .expect(4, &["make a user namespace", "hint: run as root: `sysctl -w user.max_user_namespaces="]);
        by_filter(&place, args)
            .expect(4, &["make a user namespace", "hint: a container's seccomp profile is in the way"]);
        // A user whom nobody gave subordinate ids.
        let hint = "hint: run as root: `usermod --add-subuids";
        place
            .run("", "nobody", args)
            .expect(4, &["user `nobody` has no 65,535 subordinate ids in `/etc/subuid`", hint]);
    }
    heard_nothing(&server);
}

/// Runs the program as uid 0 of a user namespace that has every id of the host, in which no other namespace may be made:
/// the setting is each namespace's own (namespaces(7), `/proc/sys/user/max_user_namespaces`).
fn by_setting(place: &Place, args: &[&str]) -> Said {
    let script = "unshare --user sleep 60 & pid=$!\n\
                  until [ \"$(readlink /proc/$pid/ns/user)\" != \"$(readlink /proc/self/ns/user)\" ]; do sleep 0.05; done\n\
                  for ids in uid gid; do echo '0 0 4294967295' >/proc/$pid/${ids}_map; done\n\
                  nsenter --target $pid --user sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"' sh \"$@\"\n\
                  code=$?; kill $pid; exit $code";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(place.rowi()).args(args).env("HOME", place.folder());
    Said::of(&mut command)
}

/// Runs the program under a filter like that of a container engine: no `unshare`, no `clone` with a user namespace.
fn by_filter(place: &Place, args: &[&str]) -> Said {
    let file = place.folder().join("filter");
    fs_err::write(&file, filter()).unwrap();
    let script = "exec bwrap --dev-bind / / --seccomp 9 \"$@\" 9<\"$0\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(&file).arg(place.rowi()).args(args).env("HOME", place.folder());
    Said::of(&mut command)
}

/// Classic BPF (seccomp(2), `struct seccomp_data`): code, jumps if true and false, operand.
fn filter() -> Vec<u8> {
    const LOAD: u16 = 0x20;
    const EQUALS: u16 = 0x15;
    const HAS_BITS: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    const ALLOW: u32 = 0x7fff_0000;
    let call = |name: i64| u32::try_from(name).unwrap();
    let program = [
        (LOAD, 0, 0, 0), // the call's number
        (EQUALS, 5, 0, call(libc::SYS_unshare)),
        (EQUALS, 3, 0, call(libc::SYS_clone3)),
        (EQUALS, 0, 4, call(libc::SYS_clone)),
        (LOAD, 0, 0, 16),              // its first argument: clone's flags
        (HAS_BITS, 1, 2, 0x1000_0000), // CLONE_NEWUSER
        (RETURN, 0, 0, ERRNO | 38),    // ENOSYS: callers fall back to clone
        (RETURN, 0, 0, ERRNO | 1),
        (RETURN, 0, 0, ALLOW),
    ];
    let bytes = |(code, yes, no, operand): (u16, u8, u8, u32)| {
        [&code.to_ne_bytes()[..], &[yes, no], &operand.to_ne_bytes()].concat()
    };
    program.into_iter().flat_map(bytes).collect()
}
