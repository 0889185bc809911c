//! The package that makes Debian's packages a distribution of their own: what it is called, whom it trusts, where
//! it keeps its database, and which units run.

use std::collections::BTreeSet;
use std::path::Path;

use crate::control::Evr;
use crate::error::Result;
use crate::rewrap::Rewrapped;
use crate::sign;
use crate::spec::Spec;
use crate::tree::Tree;

/// The package's name.
pub(crate) const NAME: &str = "debian-rpm-release";

/// When what has no date of its own was made: the release of trixie, 2025-08-09.
pub(crate) const EPOCH: u64 = 1_754_697_600;

const OS_RELEASE: &str = r#"NAME="Debian rewrapped as RPM"
PRETTY_NAME="Debian 13 (trixie) rewrapped as RPM"
ID=debian-rpm
ID_LIKE="debian"
VERSION="13 (trixie)"
VERSION_ID="13"
VERSION_CODENAME=trixie
HOME_URL="https://www.debian.org/"
"#;

/// Read after rpm's own macros. transactional-update: what lies in `/var` does not belong to a snapshot.
const MACROS: &str = "%_dbpath %{_usr}/lib/sysimage/rpm\n";

/// A place to write the repository's address to: nobody serves this distribution.
const REPOSITORY: &str = "[debian-rpm]
name=Debian rewrapped as RPM
baseurl=dir:///srv/debian-rpm
enabled=0
autorefresh=0
type=rpm-md
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-debian-rpm
";

/// What Debian's packages enable in their scripts, for an image that applies presets.
const PRESET: &str = "enable ssh.service
disable ssh.socket
enable systemd-resolved.service
enable systemd-networkd.service
enable NetworkManager.service
enable NetworkManager-dispatcher.service
enable NetworkManager-wait-online.service
enable chrony.service
enable snapper-cleanup.timer
disable snapper-boot.timer
disable snapper-timeline.timer
enable containerd.service
enable docker.service
enable docker.socket
enable podman.socket
disable podman.service
enable getty@.service
enable serial-getty@.service
enable dbus.socket
enable fstrim.timer
enable e2scrub_reap.service
enable transactional-update.timer
enable transactional-update-cleanup.timer
enable create-dirs-from-rpmdb.service
enable systemd-pstore.service
enable systemd-timesyncd.service
enable remote-fs.target
disable grub-common.service
";

/// All that its files say.
pub(crate) fn contents() -> String {
    [OS_RELEASE, MACROS, REPOSITORY, PRESET, sign::PUBLIC].concat()
}

/// The package, in an empty folder.
pub(crate) fn make(root: &Path) -> Result<Rewrapped> {
    let mut tree = Tree::new(root);
    let files = [
        ("/usr/lib/os-release", OS_RELEASE),
        ("/etc/pki/rpm-gpg/RPM-GPG-KEY-debian-rpm", sign::PUBLIC),
        ("/usr/lib/rpm/gnupg/keys/debian-rpm.asc", sign::PUBLIC),
        ("/etc/zypp/repos.d/debian-rpm.repo", REPOSITORY),
        ("/usr/lib/rpm/macros.d/macros.debian-rpm", MACROS),
        ("/usr/lib/systemd/system-preset/80-debian-rpm.preset", PRESET),
        ("/usr/lib/systemd/system-preset/99-default.preset", "disable *\n"),
    ];
    for (path, contents) in files {
        tree.file(path, 0o644, EPOCH, contents.as_bytes())?;
    }
    for folder in ["/usr/lib/sysimage/rpm", crate::script::ADMIN, "/var/lib/ca-certificates"] {
        tree.folder(folder, 0o755, EPOCH)?;
    }
    for (path, target) in [
        ("/etc/os-release", "../usr/lib/os-release"),
        ("/var/lib/rpm", "../../usr/lib/sysimage/rpm"),
        ("/var/lib/dpkg", "../../usr/lib/sysimage/dpkg"),
    ] {
        tree.link(path, target, EPOCH)?;
    }
    Ok(Rewrapped { spec: spec(), tree, epoch: EPOCH })
}

/// Its name, version and relations.
pub(crate) fn spec() -> Spec {
    let provides = ["system-release", "distribution-release"];
    Spec {
        name: NAME.to_owned(),
        evr: Evr { epoch: None, version: "13".to_owned(), release: "1".to_owned() },
        arch: "noarch",
        summary: "Names, keys and settings of the test distribution".to_owned(),
        description: "Makes Debian's packages, rewrapped as RPMs, a distribution for tests.".to_owned(),
        url: None,
        relations: provides.map(|name| ("Provides", name.to_owned())).to_vec(),
        scriptlets: Vec::new(),
        conffiles: BTreeSet::from(["/etc/zypp/repos.d/debian-rpm.repo".to_owned()]),
    }
}
