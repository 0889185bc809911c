//! What a scriptlet may not do, although it is root inside: capabilities it lacks and system calls that fail.
//!
//! A user namespace with every capability is the largest attack surface a kernel has, so scriptlets keep those that
//! own and change files and accounts, and the calls that only a container's manager or an exploit wants are refused.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets, remove_capability_from_bounding_set, set_capabilities};

use super::system;

/// Capabilities of scriptlets.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::AUDIT_WRITE);

/// Calls that fail with `EPERM`, whatever their arguments.
const DENIED: &[libc::c_long] = &[
    // Keys and kernel interfaces beyond files and processes.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_open_by_handle_at,
    // Mounts and namespaces.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_setns,
    // The kernel and the machine.
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
];

/// Namespaces that nobody may make: mount, cgroup, uts, ipc, user, pid, net. A time namespace (0x80) cannot be asked
/// of clone, where these bits are the exit signal's.
const NAMESPACES: u32 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u32;
const NEW_TIME: u32 = 0x80;

/// `AUDIT_ARCH_*` of linux/audit.h.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are x32's, which would get around the list (asm/unistd.h, `__X32_SYSCALL_BIT`).
const X32: u32 = 0x4000_0000;

/// Takes capabilities and calls away from this process and all that it starts.
pub(super) fn confine() -> io::Result<()> {
    // The filter needs SYS_ADMIN, so it goes first; it refuses nothing that the rest does.
    system::filter(&program())?;
    for capability in CapabilitySet::all().difference(KEPT).iter() {
        match remove_capability_from_bounding_set(capability) {
            // A capability that this kernel does not know.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let sets = CapabilitySets { effective: KEPT, permitted: KEPT, inheritable: CapabilitySet::empty() };
    Ok(set_capabilities(None, sets)?)
}

/// The filter, in the kernel's BPF (seccomp(2)): `struct seccomp_data` has the call's number at 0, the architecture
/// at 4 and the first argument's low half at 16.
fn program() -> Vec<libc::sock_filter> {
    const NUMBER: u32 = 0;
    const FIRST_ARGUMENT: u32 = 16;
    let mut program = vec![load(4), jump(libc::BPF_JEQ, ARCHITECTURE, 1, 0), fail(libc::ENOSYS), load(NUMBER)];
    if cfg!(target_arch = "x86_64") {
        program.extend([jump(libc::BPF_JGE, X32, 0, 1), fail(libc::ENOSYS)]);
    }
    // The flags of clone3 are in memory, where a filter cannot look; C libraries fall back to clone.
    program.extend([jump(libc::BPF_JEQ, number(libc::SYS_clone3), 0, 1), fail(libc::ENOSYS)]);
    for call in DENIED {
        program.extend([jump(libc::BPF_JEQ, number(*call), 0, 1), fail(libc::EPERM)]);
    }
    for (call, flags) in [(libc::SYS_clone, NAMESPACES), (libc::SYS_unshare, NAMESPACES | NEW_TIME)] {
        program.extend([
            jump(libc::BPF_JEQ, number(call), 0, 4),
            load(FIRST_ARGUMENT),
            jump(libc::BPF_JSET, flags, 0, 1),
            fail(libc::EPERM),
            answer(libc::SECCOMP_RET_ALLOW),
        ]);
    }
    program.push(answer(libc::SECCOMP_RET_ALLOW));
    program
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).expect("numbers of system calls are small")
}

fn load(offset: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset)
}

fn answer(value: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, value)
}

fn fail(errno: i32) -> libc::sock_filter {
    answer(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// Skips `yes` or `no` instructions.
fn jump(test: u32, k: u32, yes: u8, no: u8) -> libc::sock_filter {
    libc::sock_filter { code: (libc::BPF_JMP | test | libc::BPF_K) as u16, jt: yes, jf: no, k }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the filter answers; the instructions it uses and no others.
    fn judge(architecture: u32, call: u32, first: u32) -> u32 {
        let program = program();
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let code = u32::from(step.code);
            let taken = match code & 0xf7 {
                op if op == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                    value = [(0, call), (4, architecture), (16, first)].iter().find(|it| it.0 == step.k).unwrap().1;
                    continue;
                }
                op if op == libc::BPF_RET => return step.k,
                op if op == libc::BPF_JMP | libc::BPF_JEQ => value == step.k,
                op if op == libc::BPF_JMP | libc::BPF_JGE => value >= step.k,
                op if op == libc::BPF_JMP | libc::BPF_JSET => value & step.k != 0,
                op => panic!("{op:#x}"),
            };
            at += usize::from(if taken { step.jt } else { step.jf });
        }
    }

    #[test]
    fn the_filter_refuses_what_is_listed_and_lets_the_rest_through() {
        const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
        const PERM: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        const NOSYS: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;
        for (call, first, expected) in [
            (libc::SYS_openat, 0, ALLOW),
            (libc::SYS_chroot, 0, ALLOW),
            (libc::SYS_clone, libc::SIGCHLD as u32, ALLOW),
            (libc::SYS_clone, libc::CLONE_NEWUSER as u32, PERM),
            (libc::SYS_clone, libc::CLONE_NEWNET as u32 | 17, PERM),
            (libc::SYS_clone3, 0, NOSYS),
            (libc::SYS_unshare, libc::CLONE_FS as u32, ALLOW),
            (libc::SYS_unshare, libc::CLONE_NEWNS as u32, PERM),
            (libc::SYS_unshare, NEW_TIME, PERM),
            (libc::SYS_mount, 0, PERM),
            (libc::SYS_keyctl, 0, PERM),
            (libc::SYS_quotactl, 0, PERM),
        ] {
            assert_eq!(judge(ARCHITECTURE, number(call), first), expected, "{call} {first:#x}");
        }
        assert_eq!(judge(0x4000_0003, 1, 0), NOSYS, "another architecture's numbers mean other calls");
        #[cfg(target_arch = "x86_64")]
        assert_eq!(judge(ARCHITECTURE, X32 + 5, 0), NOSYS);
    }
}
