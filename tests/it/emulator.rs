//! What becomes of a check whose emulator fails: a script that writes to the machine's console plays QEMU.

use std::os::unix::fs::PermissionsExt;

use crate::desk::{Desk, Said};

/// Its arguments name the files of the console and of the answers; without a console it is only tried for KVM. `starts`
/// counts how often a machine was started, and `$N` is which of them this one is.
const QEMU: &str = r#"#!/bin/sh
for it; do case $it in file:*) console=${it#file:} ;; file,id=answers,path=*) answers=${it#*path=} ;; esac; done
[ -n "$console" ] || exit 1
echo >> "$HOME/starts"
N=$(wc -l < "$HOME/starts")
"#;
/// What Linux says of a processor whose timer stands still, for the second time.
const STALLED: &str = r#"for it in 212 275; do echo "[  $it.3] rcu: rcu_preempt kthread timer wakeup didn't happen for 15756 jiffies!"; done > "$console"; sleep 60
"#;

/// Checks an image of nothing in a machine that such a script plays; what was said, and how often it was started.
fn checked(script: &str) -> (Said, usize) {
    let desk = Desk::new();
    let bin = desk.folder().join("bin");
    fs_err::create_dir(&bin).unwrap();
    let qemu = bin.join("qemu-system-x86_64");
    fs_err::write(&qemu, format!("{QEMU}{script}")).unwrap();
    fs_err::set_permissions(&qemu, PermissionsExt::from_mode(0o755)).unwrap();
    fs_err::write(desk.folder().join("disk.raw"), vec![0; 1 << 20]).unwrap();
    let args = ["boot", "--check", "--firmware", "bios", "--timeout", "20", "disk.raw"];
    let said = desk.said(desk.command().env("PATH", format!("{}:/usr/sbin:/usr/bin:/bin", bin.display())).args(args));
    let starts = fs_err::read_to_string(desk.folder().join("starts")).unwrap_or_default().lines().count();
    (said, starts)
}

#[test]
fn a_machine_whose_timer_was_lost_is_started_once_more() {
    let (said, starts) = checked(&format!(
        "[ $N != 1 ] || {{ {STALLED} }}\necho 'localhost login: ' > \"$console\"; echo done > \"$answers\"; sleep 60\n"
    ));
    assert_eq!(starts, 2, "{}", said.stderr);
    assert!(said.stderr.contains("started once more") && said.stderr.contains("login prompt after"), "{}", said.stderr);
    // It answered nothing that was asked.
    assert_eq!(said.code, 5, "{}", said.stderr);
}

#[test]
fn a_timer_that_is_lost_again_is_told() {
    let (said, starts) = checked(STALLED);
    assert_eq!((starts, said.code), (2, 4), "{}", said.stderr);
    assert!(
        said.stderr.contains("no longer woken by its timer") && said.stderr.contains("15756 jiffies"),
        "{}",
        said.stderr
    );
}
