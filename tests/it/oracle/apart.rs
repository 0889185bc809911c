//! Mounts that nobody else sees and that are gone when the work on them ends, however it ends.

use std::path::Path;

use crate::image::{SECTOR, partitions, run, text};

/// Does work in a thread with a mount namespace of its own: with the thread the mounts go, and with them the loop
/// devices, which the kernel frees by itself.
#[expect(unsafe_code, reason = "the safe form was withdrawn, since some flags share less than Rust relies on")]
pub(super) fn apart<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let thread = || {
        // SAFETY: no memory or descriptors are shared less; the thread ends with the work.
        assert_eq!(unsafe { libc::unshare(libc::CLONE_NEWNS) }, 0, "{}", std::io::Error::last_os_error());
        run("mount", &["--make-rprivate", "/"]);
        work()
    };
    let done = std::thread::scope(|scope| scope.spawn(thread).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Mounts an image's btrfs as the machine has it: the default subvolume, and the others where its fstab says.
pub(super) fn mount_image(image: &Path, at: &Path) {
    let (_, start, ..) = partitions(image).into_iter().find(|(.., code)| code == "8304" || code == "8300").unwrap();
    let how = format!("ro,loop,offset={}", start * SECTOR);
    run("mount", &["-t", "btrfs", "-o", &how, text(image), text(at)]);
    let device = run("findmnt", &["--noheadings", "--output", "SOURCE", "--nofsroot", text(at)]);
    for line in fs_err::read_to_string(at.join("etc/fstab")).unwrap().lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, place, "btrfs", options, ..] = words[..] else { continue };
        if let Some(subvolume) = options.split(',').find(|option| option.starts_with("subvol=")) {
            let how = format!("ro,{subvolume}");
            run("mount", &["-t", "btrfs", "-o", &how, device.trim(), text(&at.join(&place[1..]))]);
        }
    }
}
