//! What an image has otherwise than a root that rpm filled, and why. An entry that explains nothing is a fault.

use std::{collections::BTreeMap, path::PathBuf};

/// A path, or the beginning of paths (`/` at its end), and the reason.
const INTENDED: &[(&str, &str)] = &[
    ("/.snapshots", "the layout"),
    ("/boot/efi", "where the EFI system partition is mounted"),
    ("/boot/grub", "its own subvolume"),
    ("/boot/grub/", "GRUB's modules and configuration, as grub-install puts them there"),
    ("/boot/initrd", "the link that the boot menu follows"),
    ("/boot/initrd.img-", "made once, last"),
    ("/boot/vmlinuz", "the link that the boot menu follows"),
    ("/boot/writable", "the layout"),
    ("/etc/NetworkManager/system-connections/wired.nmconnection", "the profile's network"),
    ("/etc/containerd/config.toml", "the profile's low-level runtime"),
    ("/etc/containers/registries.conf.d/10-rowi.conf", "the profile's registries"),
    ("/etc/default/snapper", "snapper is told of its configuration"),
    ("/etc/dracut.conf.d/50-rowi.conf", "initrds for any machine"),
    ("/etc/fstab", "the layout"),
    ("/etc/grub.d/", "the menu is rowi's: GRUB's scripts would name a snapshot"),
    ("/etc/hosts", "the profile's host name"),
    ("/etc/issue.d", "the profile's files"),
    ("/etc/issue.d/50-kubic.issue", "the profile's files"),
    ("/etc/kernel/postinst.d/zz-rowi", "overlay `boot-entries`"),
    ("/etc/kernel/postrm.d/zz-rowi", "overlay `boot-entries`"),
    ("/etc/locale.conf", "the profile's locale"),
    ("/etc/localtime", "the profile's time zone"),
    ("/etc/machine-id", "the first boot fills it"),
    ("/etc/profile.d/kubic.sh", "overlay `kubic`"),
    ("/etc/shadow", "root's password is locked"),
    ("/etc/snapper/configs/root", "snapper's configuration"),
    ("/etc/ssh/sshd_config.d/10-rowi.conf", "the profile's ssh"),
    ("/etc/systemd/system-preset", "the profile's services"),
    ("/etc/systemd/system-preset/50-kubic.preset", "the profile's services"),
    ("/etc/systemd/system/rowi-update.service.d/50-rowi.conf", "the profile's updates"),
    ("/etc/systemd/system/rowi-update.timer.d/50-rowi.conf", "the profile's updates"),
    ("/etc/vconsole.conf", "the profile's keyboard"),
    ("/usr/lib/dracut/modules.d/50rowi-etc", "overlay `transactional-fallback`"),
    ("/usr/lib/dracut/modules.d/50rowi-etc/", "overlay `transactional-fallback`"),
    ("/usr/lib/clock-epoch", "the image's date, for a clock without a battery"),
    ("/usr/lib/rowi", "overlays `boot-entries` and `transactional-fallback`"),
    ("/usr/lib/rowi/", "overlays `boot-entries` and `transactional-fallback`"),
    ("/usr/lib/snapper/plugins", "overlays `boot-entries` and `transactional-fallback`"),
    ("/usr/lib/snapper/plugins/", "overlays `boot-entries` and `transactional-fallback`"),
    ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "compared by rpm's answers: the same rows in pages of another order"),
    ("/usr/lib/sysimage/rpm/rpmdb.sqlite-", "the write-ahead log, which a read-only root must not have"),
    ("/usr/lib/systemd/system/rowi-", "host keys of ssh are made at the first boot; the overlays' units"),
    ("/usr/sbin/rowi-update", "overlay `transactional-fallback`"),
    ("/var/lib/dbus/machine-id", "follows `/etc/machine-id`"),
];

/// Below this folder presets decide, for all units, where rpm's scriptlets decide for their own: links and folders only.
const UNITS: &str = "/etc/systemd/system/";

fn covers(intended: &str, path: &str) -> bool {
    path == intended || (intended.ends_with(['/', '-']) && path.starts_with(intended))
}

/// Whether a difference at a path is meant.
pub(super) fn is_intended(path: &str) -> bool {
    INTENDED.iter().any(|(intended, _)| covers(intended, path))
}

/// The differences that nothing explains, and the explanations of none.
pub(super) fn unintended(differences: &BTreeMap<PathBuf, String>) -> Vec<String> {
    let told: BTreeMap<&str, &str> =
        differences.iter().map(|(path, how)| (path.to_str().expect("a text"), how.as_str())).collect();
    let of_presets = |path: &str, how: &str| {
        let what = how.split_once(": ").map_or("", |(_, what)| what);
        path.starts_with(UNITS) && (what.starts_with("link to ") || what == "folder")
    };
    let unexplained = told.iter().filter(|(path, how)| !is_intended(path) && !of_presets(path, how));
    let mut faults: Vec<String> = unexplained.map(|(path, how)| format!("{path}: {how}")).collect();
    let needless = INTENDED.iter().filter(|(intended, _)| !told.keys().any(|path| covers(intended, path)));
    faults.extend(needless.map(|(path, reason)| format!("{path}: is as rpm made it, so `{reason}` explains nothing")));
    faults
}
