//! The program that UEFI starts, in the place where it looks on a disk that it does not know (UEFI 2.10, 3.5.1.1).

use std::collections::BTreeMap;

use crate::{
    plan::Plan,
    profile::Arch,
    system::content,
    tree::{Content, Tree},
};

/// How UEFI's programs name the machine: `x64`, `aa64`.
pub(super) fn suffix(plan: &Plan) -> &'static str {
    match plan.arch {
        Arch::X86_64 => "x64",
        Arch::Aarch64 => "aa64",
    }
}

/// A boot loader's program; behind shim, where the plan wants Secure Boot and the packages have it.
///
/// shim starts `grubx64.efi` beside itself, whatever that is (shim 15.8, `DEFAULT_LOADER`).
pub(super) fn place(plan: &Plan, tree: &Tree, program: Content) -> BTreeMap<String, Content> {
    let suffix = suffix(plan);
    let file = |usage: &str| content(tree, plan.paths.get(usage)?).cloned();
    let removable = plan.boot.efi_file.clone();
    let removable = removable.unwrap_or_else(|| format!("EFI/BOOT/BOOT{}.EFI", suffix.to_uppercase()));
    let Some(shim) = file("shim").filter(|_| plan.boot.secure_boot) else {
        return [(removable, program)].into();
    };
    let manager = file("mok-manager").map(|manager| (format!("EFI/BOOT/mm{suffix}.efi"), manager));
    [(removable, shim), (format!("EFI/BOOT/grub{suffix}.efi"), program)].into_iter().chain(manager).collect()
}
