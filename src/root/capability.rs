//! File capabilities: the text in a package's header becomes the bytes of `security.capability`, and back to version 2
//! what the kernel stored for a namespace.
//!
//! Text: cap_from_text(3) of libcap 2.66, names and numbers from linux/capability.h of Linux 6.12. Bytes:
//! `struct vfs_cap_data` (version 2, 20 bytes) and `vfs_ns_cap_data` (version 3, 24 bytes, with the user id whose
//! namespace it is for). Written inside a namespace, version 2 becomes version 3 by itself; read inside, it is version 2.

/// The attribute's name.
pub const NAME: &[u8] = b"security.capability";

const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const REVISION_MASK: u32 = 0xff00_0000;
const EFFECTIVE: u32 = 1;
const SIZE_2: usize = 20;
const SIZE_3: usize = 24;

/// In the order of their numbers.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// The attribute for a header's text, such as `cap_net_raw=ep`. An empty set is stored as one: it takes away what a
/// program would inherit.
///
/// # Errors
/// The text, where it is no such set.
pub fn from_text(text: &str) -> Result<Vec<u8>, String> {
    let mut sets = [0u64; 3];
    for clause in text.split_whitespace() {
        apply(clause, &mut sets).ok_or_else(|| text.to_owned())?;
    }
    let [effective, inheritable, permitted] = sets;
    // A file has one effective bit for all: libcap refuses a set that is not all or nothing.
    if effective != 0 && effective != inheritable | permitted {
        return Err(text.to_owned());
    }
    let magic = REVISION_2 | if effective == 0 { 0 } else { EFFECTIVE };
    let words = [magic, permitted as u32, inheritable as u32, (permitted >> 32) as u32, (inheritable >> 32) as u32];
    Ok(words.iter().flat_map(|word| word.to_le_bytes()).collect())
}

/// One clause: names, then operators with flags.
fn apply(clause: &str, sets: &mut [u64; 3]) -> Option<()> {
    let at = clause.find(['=', '+', '-'])?;
    let caps = match &clause[..at] {
        "" | "all" => (1u64 << NAMES.len()) - 1,
        names => names.split(',').try_fold(0, |all, name| Some(all | 1 << number(name)?))?,
    };
    let mut rest = &clause[at..];
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..].find(['=', '+', '-']).map_or(rest.len(), |end| end + 1);
        let flags = &rest[1..end];
        if !flags.chars().all(|flag| "eip".contains(flag)) {
            return None;
        }
        for (set, flag) in sets.iter_mut().zip(['e', 'i', 'p']) {
            let named = flags.contains(flag);
            match operator {
                '=' if named => *set |= caps,
                '=' => *set &= !caps,
                '+' if named => *set |= caps,
                '-' if named => *set &= !caps,
                _ => {}
            }
        }
        rest = &rest[end..];
    }
    Some(())
}

fn number(name: &str) -> Option<u32> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_prefix("cap_")?;
    NAMES.iter().position(|known| *known == name).and_then(|at| u32::try_from(at).ok())
}

/// The version 2 form of what was read; what is neither version stays as it is.
pub fn to_version_2(mut value: Vec<u8>) -> Vec<u8> {
    if value.len() == SIZE_3
        && let Some(magic) = value.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes))
        && magic & REVISION_MASK == REVISION_3
    {
        value[..4].copy_from_slice(&(magic & !REVISION_MASK | REVISION_2).to_le_bytes());
        value.truncate(SIZE_2);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_what_setcap_stores() {
        // From `setcap TEXT file` of libcap 2.66 and `getfattr -e hex`.
        for (text, hex) in [
            ("cap_net_raw=ep", "0100000200200000000000000000000000000000"),
            ("cap_net_admin,cap_net_raw+ep", "0100000200300000000000000000000000000000"),
            ("= cap_setuid+p", "0000000280000000000000000000000000000000"),
            ("cap_bpf=eip", "0100000200000000000000008000000080000000"),
        ] {
            let bytes = from_text(text).unwrap();
            assert_eq!(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), hex, "{text}");
        }
        assert_eq!(from_text("=").unwrap()[..4], [0, 0, 0, 2]);
        for bad in ["cap_none=ep", "cap_chown", "cap_chown=x", "cap_chown=ep cap_kill=p"] {
            assert!(from_text(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_namespace_form_becomes_version_2() {
        let plain = from_text("cap_net_raw=ep").unwrap();
        let mut stored = plain.clone();
        stored[3] = 3;
        stored.extend(65_536u32.to_le_bytes());
        assert_eq!(to_version_2(stored), plain);
        assert_eq!(to_version_2(plain.clone()), plain);
    }
}
