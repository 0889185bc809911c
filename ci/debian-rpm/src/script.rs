//! Maintainer scripts as RPM scriptlets.
//!
//! `preinst` goes into `%pre` whole, as the package's files are not there yet; `postinst` and the rest are files that
//! `%post` calls, as debconf looks for the templates beside them. They lie under [`ADMIN`] and not in `/var`, which a
//! transactional update does not see.
//!
//! RPM does not say which version is replaced: an upgrade passes the package's own, so that a script neither takes it
//! for a first installation nor mends what only older versions left behind.

use crate::control::Control;
use crate::error::Result;

/// dpkg's administrative folder; `/var/lib/dpkg` is a link to it.
pub(crate) const ADMIN: &str = "/usr/lib/sysimage/dpkg";

/// The members of a control archive that are shipped.
pub(crate) const SHIPPED: [&str; 7] = ["postinst", "prerm", "postrm", "templates", "config", "triggers", "conffiles"];

/// Puts the records of what is installed together, as scripts ask `dpkg-query` about themselves and each other.
/// The glob is sorted, so the file does not depend on the order of installation.
const STATUS: &str = "LC_ALL=C; export LC_ALL
cat /usr/lib/sysimage/dpkg/status.d/* >/usr/lib/sysimage/dpkg/status.new
mv -f /usr/lib/sysimage/dpkg/status.new /usr/lib/sysimage/dpkg/status
unset LC_ALL";

/// What dpkg tells every script, and what keeps debconf from asking.
fn environment(script: &str) -> String {
    format!(
        "umask 022\nexport DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true DEBCONF_NOWARNINGS=yes\n\
         export DPKG_ROOT= DPKG_ADMINDIR={ADMIN} DPKG_RUNNING_VERSION=1.22\n\
         export DPKG_MAINTSCRIPT_NAME={script}"
    )
}

fn named(control: &Control) -> Result<String> {
    let (name, arch) = (control.need("Package")?, control.need("Architecture")?);
    Ok(format!(
        "export DPKG_MAINTSCRIPT_PACKAGE={name} DPKG_MAINTSCRIPT_ARCH={arch} DPKG_MAINTSCRIPT_PACKAGE_REFCOUNT=1"
    ))
}

/// The first part of the names of a package's files in dpkg's `info`.
pub(crate) fn stem(control: &Control) -> Result<String> {
    let name = control.need("Package")?;
    Ok(match control.get("Multi-Arch") {
        Some("same") => format!("{name}:{}", control.need("Architecture")?),
        _ => name.to_owned(),
    })
}

/// `%pre`, from the text of a preinst.
pub(crate) fn pre(control: &Control, preinst: &str) -> Result<String> {
    let version = control.need("Version")?;
    let environment = environment("preinst");
    let named = named(control)?;
    Ok(format!(
        "{environment}\n{named}\nif [ \"$1\" -gt 1 ]; then set -- upgrade '{version}'; else set -- install; fi\n\
         mkdir -p {ADMIN}/tmp.ci\ncat >{ADMIN}/tmp.ci/preinst <<'END OF PREINST'\n{preinst}\nEND OF PREINST\n\
         chmod 755 {ADMIN}/tmp.ci/preinst\n{ADMIN}/tmp.ci/preinst \"$@\" </dev/null\nresult=$?\n\
         rm -rf {ADMIN}/tmp.ci\nexit $result"
    ))
}

/// `%post`, which calls the shipped postinst.
pub(crate) fn post(control: &Control) -> Result<String> {
    let version = control.need("Version")?;
    let stem = stem(control)?;
    let environment = environment("postinst");
    let named = named(control)?;
    Ok(format!(
        "{environment}\n{named}\n{STATUS}\nif [ \"$1\" -gt 1 ]; then old='{version}'; else old=; fi\n\
         {ADMIN}/info/{stem}.postinst configure \"$old\" </dev/null"
    ))
}

/// `%post` of the essential set: every postinst of it, in order; it fails at the end if one did.
pub(crate) fn essential(order: &[&Control]) -> Result<String> {
    let environment = environment("postinst");
    let mut text = format!("{environment}\n{STATUS}\nldconfig\nfailed=0\n");
    text.push_str("touch /etc/shells\nif [ \"$1\" -gt 1 ]; then upgrade=1; else upgrade=; fi\n");
    for control in order {
        let (named, stem, version) = (named(control)?, stem(control)?, control.need("Version")?);
        let script = format!("{ADMIN}/info/{stem}.postinst");
        text.push_str(&format!(
            "if [ -x {script} ]; then\n{named}\n{script} configure \"${{upgrade:+{version}}}\" </dev/null || \
             {{ echo '{stem}: postinst failed' >&2; failed=1; }}\nfi\n"
        ));
    }
    Ok(text + "exit $failed")
}

/// `%posttrans` of the essential set: the final status file, of all that the transaction brought.
pub(crate) fn settled() -> String {
    format!("umask 022\n{STATUS}\nldconfig")
}
