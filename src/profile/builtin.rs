//! Profiles, platforms, distributions and overlays that are compiled into the program.

use super::find::Kind;

/// A file of an overlay that is compiled into the program.
#[derive(Clone, Copy, Debug)]
pub struct BuiltInFile {
    /// Path below the overlay, without a leading slash.
    pub path: &'static str,
    /// Its bytes.
    pub bytes: &'static [u8],
    /// Whether its owner may execute it.
    pub executable: bool,
}

macro_rules! files {
    ($($path:literal),* $(,)?) => { &[$(($path, include_str!(concat!("../../", $path)))),*] };
}

/// Path in rowi's own folder, and text.
const FILES: &[(&str, &str)] = files![
    "profiles/container-host.yaml",
    "profiles/desktop.yaml",
    "profiles/docker-host.yaml",
    "profiles/kubic.yaml",
    "profiles/kubic-admin.yaml",
    "profiles/log-server.yaml",
    "profiles/lxc-host.yaml",
    "profiles/media-server.yaml",
    "profiles/microos.yaml",
    "profiles/registry.yaml",
    "profiles/vm-host.yaml",
    "profiles/web-server.yaml",
    "profiles/distributions/debian-rpm.yaml",
    "profiles/distributions/opensuse-tumbleweed.yaml",
    "profiles/platforms/raspberrypi3.yaml",
    "profiles/platforms/vm-systemd-boot.yaml",
    "profiles/platforms/vm.yaml",
];

macro_rules! overlay {
    ($name:literal: $($path:literal $executable:literal),* $(,)?) => {
        ($name, &[$(BuiltInFile {
            path: $path,
            bytes: include_bytes!(concat!("../../overlays/", $name, "/", $path)),
            executable: $executable,
        }),*])
    };
}

/// Name and files of each overlay.
const OVERLAYS: &[(&str, &[BuiltInFile])] = &[
    overlay!("boot-entries":
        "etc/kernel/postinst.d/zz-rowi" true,
        "etc/kernel/postrm.d/zz-rowi" true,
        "usr/lib/rowi/boot-entry" true,
        "usr/lib/rowi/kernel-links" true,
        "usr/lib/rowi/loader-entries" true,
        "usr/lib/rowi/newest-kernel" true,
        "usr/lib/snapper/plugins/90-rowi-boot-entry" true,
        "usr/lib/systemd/system/rowi-boot-entry.service" false,
    ),
    overlay!("grow":
        "usr/lib/rowi/grow" true,
        "usr/lib/systemd/system/rowi-grow.service" false,
    ),
    overlay!("kubic": "etc/profile.d/kubic.sh" false),
    overlay!("registry":
        "usr/lib/rowi/fill-registry" true,
        "usr/lib/systemd/system/rowi-fill-registry.service" false,
    ),
    overlay!("raspberrypi3":
        "usr/lib/modprobe.d/50-raspberrypi3.conf" false,
        "usr/lib/rowi/clock" true,
        "usr/lib/sysctl.d/50-raspberrypi3.conf" false,
        "usr/lib/systemd/system/rowi-clock.service" false,
        "usr/share/rowi/raspberrypi3/config.txt" false,
    ),
    overlay!("transactional-fallback":
        "usr/lib/dracut/modules.d/50rowi-etc/module-setup.sh" true,
        "usr/lib/dracut/modules.d/50rowi-etc/rowi-etc.sh" true,
        "usr/lib/rowi/health-check" true,
        "usr/lib/rowi/snapshot-begun" true,
        "usr/lib/snapper/plugins/50-rowi-etc" true,
        "usr/lib/systemd/system/rowi-health-check.service" false,
        "usr/lib/systemd/system/rowi-snapshot-begun.service" false,
        "usr/lib/systemd/system/rowi-update.service" false,
        "usr/lib/systemd/system/rowi-update.timer" false,
        "usr/sbin/rowi-update" true,
    ),
];

/// The files of a built-in overlay, or nothing when the program has none of that name.
pub fn built_in_overlay(name: &str) -> Option<&'static [BuiltInFile]> {
    OVERLAYS.iter().find(|(own, _)| *own == name).map(|(_, files)| *files)
}

/// A file by its path in rowi's own folder.
pub(super) fn text(path: &str) -> Option<&'static str> {
    FILES.iter().find(|(own, _)| *own == path).map(|(_, text)| *text)
}

/// The names of all built-in files of a kind.
pub(super) fn names(kind: Kind) -> impl Iterator<Item = String> {
    let folder = if kind.folder().is_empty() { "profiles/".to_owned() } else { format!("profiles/{}/", kind.folder()) };
    FILES.iter().filter_map(move |(path, _)| {
        let name = path.strip_prefix(&folder)?.strip_suffix(".yaml")?;
        (!name.contains('/')).then(|| name.to_owned())
    })
}

/// The names of all built-in overlays.
pub(super) fn overlay_names() -> impl Iterator<Item = &'static str> {
    OVERLAYS.iter().map(|(name, _)| *name)
}
