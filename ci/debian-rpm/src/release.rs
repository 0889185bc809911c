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
const PRESET: &str = "enable NetworkManager.service
enable NetworkManager-dispatcher.service
enable NetworkManager-wait-online.service
disable systemd-networkd.service
disable systemd-networkd-wait-online.service
enable systemd-resolved.service
enable chrony.service
enable ssh.service
disable ssh.socket
enable containerd.service
enable docker.service
enable docker.socket
disable podman.service
disable podman.socket
enable snapper-cleanup.timer
disable snapper-boot.timer
disable snapper-timeline.timer
enable transactional-update.timer
enable transactional-update-cleanup.timer
enable create-dirs-from-rpmdb.service
enable fstrim.timer
enable e2scrub_all.timer
enable e2scrub_reap.service
# They fail where / and /boot/grub cannot be written, or have nothing to do without dpkg.
disable grub-common.service
disable dpkg-db-backup.timer
";

/// Every file and what it says.
const FILES: [(&str, &str); 8] = [
    ("/usr/lib/os-release", OS_RELEASE),
    ("/etc/pki/rpm-gpg/RPM-GPG-KEY-debian-rpm", sign::PUBLIC),
    ("/usr/lib/rpm/gnupg/keys/debian-rpm.asc", sign::PUBLIC),
    ("/etc/zypp/repos.d/debian-rpm.repo", REPOSITORY),
    ("/usr/lib/rpm/macros.d/macros.debian-rpm", MACROS),
    ("/usr/lib/systemd/system-preset/90-debian-rpm.preset", PRESET),
    ("/usr/lib/systemd/system-preset/99-default.preset", "disable *\n"),
    // dpkg's own names: `libc6:amd64.list` and not `libc6.list` for what is there once an architecture.
    ("/usr/lib/sysimage/dpkg/info/format", "1\n"),
];

/// Folders that are there before anything is in them. transactional-update binds the last into its transactions.
const FOLDERS: [&str; 3] = ["/usr/lib/sysimage/rpm", crate::script::ADMIN, "/var/lib/ca-certificates"];

/// Links and their targets.
const LINKS: [(&str, &str); 3] = [
    ("/etc/os-release", "../usr/lib/os-release"),
    ("/var/lib/rpm", "../../usr/lib/sysimage/rpm"),
    ("/var/lib/dpkg", "../../usr/lib/sysimage/dpkg"),
];

/// All that decides over the package.
pub(crate) fn contents() -> String {
    format!("{FILES:?} {FOLDERS:?} {LINKS:?} {:?}", spec())
}

/// The package, in an empty folder.
pub(crate) fn make(root: &Path) -> Result<Rewrapped> {
    let mut tree = Tree::new(root);
    for (path, contents) in FILES {
        tree.file(path, 0o644, EPOCH, contents.as_bytes())?;
    }
    for folder in FOLDERS {
        tree.folder(folder, 0o755, EPOCH)?;
    }
    for (path, target) in LINKS {
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
