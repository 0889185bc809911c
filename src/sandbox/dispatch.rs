//! The program that the kernel starts for a program of another architecture: it goes on as the builder's own build of
//! that program where there is one, and else as the emulator.
//!
//! It stands where QEMU would be registered (Documentation/admin-guide/binfmt-misc.rst), so the root's files stay what
//! they are: whoever copies `/usr/bin/bash` gets the foreign one, whoever starts it gets the builder's. It uses no
//! library and no stack but what the kernel gives it: the root has no loader for it.

#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "a program in machine code, and its bytes"))]

use std::io::Write;

use crate::profile::Arch;

use super::emulation::executable;

/// Where the tool root is, in every root that a server runs commands in. As long as [`super::native`] needs it.
pub(super) const PLACE: &str = "/run/rowi";

/// The emulator's name in the tool root.
pub(super) const EMULATOR: &str = "qemu";

// What the kernel gives (fs/binfmt_misc.c, flags `POC`; fs/binfmt_elf.c): argc, argv = interpreter, path of the file,
// the caller's argv[0] and the rest, a null, the environment, a null, the auxiliary vector, in which AT_EXECFD (2) is
// the open file. System calls: 3 close, 59 execve, 60 exit, 89 readlink (arch/x86/entry/syscalls/syscall_64.tbl).
#[cfg(target_arch = "x86_64")]
std::arch::global_asm!(
    ".pushsection .rodata.rowi_dispatch, \"a\"",
    ".globl rowi_dispatch_begin",
    ".globl rowi_dispatch_end",
    "rowi_dispatch_begin:",
    "    mov r12, rsp",
    "    mov rax, [r12]",
    "    lea r13, [r12 + rax * 8 + 16]", // the environment
    "    mov rcx, r13",
    "2:  add rcx, 8",
    "    cmp qword ptr [rcx - 8], 0",
    "    jne 2b",
    "3:  mov rax, [rcx]", // the auxiliary vector
    "    test rax, rax",
    "    je 9f",
    "    cmp rax, 2",
    "    je 4f",
    "    add rcx, 16",
    "    jmp 3b",
    "4:  mov r14, [rcx + 8]",
    "    sub rsp, 8192",
    "    lea rdi, [rsp + 64]", // "/proc/self/fd/N", from its end
    "    mov byte ptr [rdi], 0",
    "    mov rax, r14",
    "    mov ecx, 10",
    "5:  xor edx, edx",
    "    div rcx",
    "    add dl, 48",
    "    dec rdi",
    "    mov [rdi], dl",
    "    test rax, rax",
    "    jne 5b",
    "    lea rsi, [rip + 22f]",
    "    mov ecx, 14",
    "6:  dec rdi",
    "    mov al, [rsi + rcx - 1]",
    "    mov [rdi], al",
    "    dec ecx",
    "    jne 6b",
    "    lea rsi, [rsp + 128 + 9]", // the file's own name, behind PLACE
    "    mov edx, 4096",
    "    mov eax, 89",
    "    syscall",
    "    mov r15, rax",
    "    mov rdi, r14",
    "    mov eax, 3",
    "    syscall",
    "    lea rax, [r15 - 1]",
    "    cmp rax, 4095",
    "    jae 9f", // an error, or cut off
    "    mov byte ptr [rsp + r15 + 128 + 9], 0",
    "    mov rax, [rip + 20f]",
    "    mov [rsp + 128], rax",
    "    mov al, [rip + 20f + 8]",
    "    mov [rsp + 128 + 8], al",
    "    lea rdi, [rsp + 128]",
    "    lea rsi, [r12 + 24]",
    "    mov rdx, r13",
    "    mov eax, 59",
    "    syscall",
    // There is none: "qemu -0 ARGV0 PATH …", one word longer, so it begins where argc was.
    "9:  mov rax, [r12 + 16]",
    "    mov rdx, [r12 + 24]",
    "    mov [r12 + 16], rdx",
    "    mov [r12 + 24], rax",
    "    lea rdi, [rip + 20f]",
    "    lea rax, [rip + 21f]",
    "    mov [r12], rdi",
    "    mov [r12 + 8], rax",
    "    mov rsi, r12",
    "    mov rdx, r13",
    "    mov eax, 59",
    "    syscall",
    "    mov edi, 126",
    "    mov eax, 60",
    "    syscall",
    "20: .asciz \"/run/rowi/qemu\"",
    "21: .asciz \"-0\"",
    "22: .ascii \"/proc/self/fd/\"",
    "rowi_dispatch_end:",
    ".popsection",
);

#[cfg(target_arch = "x86_64")]
fn code() -> Option<&'static [u8]> {
    unsafe extern "C" {
        static rowi_dispatch_begin: u8;
        static rowi_dispatch_end: u8;
    }
    let (begin, end) = (&raw const rowi_dispatch_begin, &raw const rowi_dispatch_end);
    // SAFETY: both lie in one section, in this order, and what is between them is never written.
    Some(unsafe { std::slice::from_raw_parts(begin, end.addr() - begin.addr()) })
}

/// Nobody has built on such a machine for another yet.
#[cfg(not(target_arch = "x86_64"))]
fn code() -> Option<&'static [u8]> {
    None
}

/// Whether this machine has such a program.
pub(super) fn is_known() -> bool {
    code().is_some()
}

/// Writes the program.
///
/// # Errors
/// As writing has; there is none for this machine.
pub(super) fn write(to: &mut impl Write) -> std::io::Result<()> {
    let code = code().ok_or(std::io::ErrorKind::Unsupported)?;
    to.write_all(&executable(Arch::host(), code))
}
