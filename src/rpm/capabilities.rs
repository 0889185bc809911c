//! Header → what a package provides, requires and the rest.

use super::{Error, Evr, Header, Result, Tag};

/// A name with an optional range of versions, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// A package, a file, `lib.so.1()(64bit)`, or a rich dependency with its parentheses.
    pub name: String,
    /// `RPMSENSE_*`: the comparison and when it is needed.
    pub flags: Sense,
    /// The version as written; empty when any will do.
    pub version: String,
}

impl Capability {
    /// The version, taken apart; nothing when any will do.
    pub fn evr(&self) -> Option<Evr> {
        (!self.version.is_empty()).then(|| Evr::parse(&self.version))
    }

    /// Whether it is a rich dependency, `(a if b)`.
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }
}

/// `RPMSENSE_*`, rpm 6.1, `include/rpm/rpmds.h`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sense(pub u32);

impl Sense {
    /// `<`
    pub const LESS: u32 = 1 << 1;
    /// `>`
    pub const GREATER: u32 = 1 << 2;
    /// `=`
    pub const EQUAL: u32 = 1 << 3;
    /// Needed after the transaction (`Requires(posttrans)`).
    pub const POSTTRANS: u32 = 1 << 5;
    /// Old `PreReq`.
    pub const PREREQ: u32 = 1 << 6;
    /// Needed before the transaction.
    pub const PRETRANS: u32 = 1 << 7;
    /// A scriptlet's interpreter.
    pub const INTERP: u32 = 1 << 8;
    /// Needed by `%pre`.
    pub const SCRIPT_PRE: u32 = 1 << 9;
    /// Needed by `%post`.
    pub const SCRIPT_POST: u32 = 1 << 10;
    /// Needed by `%preun`.
    pub const SCRIPT_PREUN: u32 = 1 << 11;
    /// Needed by `%postun`.
    pub const SCRIPT_POSTUN: u32 = 1 << 12;
    /// A trigger after another package's installation.
    pub const TRIGGERIN: u32 = 1 << 16;
    /// A trigger before another package's removal.
    pub const TRIGGERUN: u32 = 1 << 17;
    /// A trigger after another package's removal.
    pub const TRIGGERPOSTUN: u32 = 1 << 18;
    /// A feature of rpm itself: `rpmlib(…)`.
    pub const RPMLIB: u32 = 1 << 24;
    /// A trigger before another package's installation.
    pub const TRIGGERPREIN: u32 = 1 << 25;
    /// Says nothing about order.
    pub const META: u32 = 1 << 29;

    /// Whether one of the bits is set.
    pub fn any(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// `<`, `<=`, `=`, `>=`, `>`, or nothing when the version doesn't matter.
    pub fn operator(self) -> Option<&'static str> {
        match self.0 & (Self::LESS | Self::GREATER | Self::EQUAL) {
            0b0010 => Some("<"),
            0b0100 => Some(">"),
            0b1000 => Some("="),
            0b1010 => Some("<="),
            0b1100 => Some(">="),
            _ => None,
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.flags.operator() {
            Some(operator) if !self.version.is_empty() => write!(f, "{} {operator} {}", self.name, self.version),
            _ => f.write_str(&self.name),
        }
    }
}

/// All of a package's capabilities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in a spec file")]
pub struct Capabilities {
    pub provides: Vec<Capability>,
    pub requires: Vec<Capability>,
    pub conflicts: Vec<Capability>,
    pub obsoletes: Vec<Capability>,
    pub recommends: Vec<Capability>,
    pub suggests: Vec<Capability>,
    pub supplements: Vec<Capability>,
    pub enhances: Vec<Capability>,
    /// `OrderWithRequires`: no need, but an order.
    pub orders: Vec<Capability>,
}

/// Reads all capabilities.
///
/// # Errors
/// Arrays of names, flags and versions that don't have the same length.
pub fn capabilities(header: &Header) -> Result<Capabilities> {
    let read = |name, flags, version| list(header, name, flags, version);
    Ok(Capabilities {
        provides: read(Tag::PROVIDENAME, Tag::PROVIDEFLAGS, Tag::PROVIDEVERSION)?,
        requires: read(Tag::REQUIRENAME, Tag::REQUIREFLAGS, Tag::REQUIREVERSION)?,
        conflicts: read(Tag::CONFLICTNAME, Tag::CONFLICTFLAGS, Tag::CONFLICTVERSION)?,
        obsoletes: read(Tag::OBSOLETENAME, Tag::OBSOLETEFLAGS, Tag::OBSOLETEVERSION)?,
        recommends: read(Tag::RECOMMENDNAME, Tag::RECOMMENDFLAGS, Tag::RECOMMENDVERSION)?,
        suggests: read(Tag::SUGGESTNAME, Tag::SUGGESTFLAGS, Tag::SUGGESTVERSION)?,
        supplements: read(Tag::SUPPLEMENTNAME, Tag::SUPPLEMENTFLAGS, Tag::SUPPLEMENTVERSION)?,
        enhances: read(Tag::ENHANCENAME, Tag::ENHANCEFLAGS, Tag::ENHANCEVERSION)?,
        orders: read(Tag::ORDERNAME, Tag::ORDERFLAGS, Tag::ORDERVERSION)?,
    })
}

/// The list whose names, flags and versions have these tags. Old packages lack flags and versions altogether.
pub(crate) fn list(header: &Header, names: Tag, flags: Tag, versions: Tag) -> Result<Vec<Capability>> {
    let name_list = header.string_array(names);
    let flag_list = header.u32s(flags).unwrap_or_default();
    let version_list = header.string_array(versions);
    for (tag, len) in [(flags, flag_list.len()), (versions, version_list.len())] {
        if len != 0 && len != name_list.len() {
            return Err(Error::entry(tag, format!("{len} values, expected {}", name_list.len())));
        }
    }
    let column = name_list.into_iter().enumerate();
    Ok(column
        .map(|(at, name)| Capability {
            name,
            flags: Sense(flag_list.get(at).copied().unwrap_or(0)),
            version: version_list.get(at).cloned().unwrap_or_default(),
        })
        .collect())
}

/// The `sysusers.d` lines that a package carries in its provides: `user(NAME)`, `group(NAME)` and
/// `groupmember(NAME/GROUP)` with the line in base64 as version (rpm ≥ 4.19, `rpmdsIsSysuser`).
pub fn sysusers(provides: &[Capability]) -> Vec<String> {
    let is_account = |name: &str| ["user(", "group(", "groupmember("].iter().any(|kind| name.starts_with(kind));
    let accounts = provides.iter().filter(|it| it.flags.any(Sense::EQUAL) && is_account(&it.name));
    // Zero bytes pad the line, so that no `=` is left at the end of the version.
    let lines = accounts.filter_map(|it| base64(&it.version));
    lines.map(|line| String::from_utf8_lossy(&line).trim_end_matches('\0').to_owned()).collect()
}

/// Standard alphabet (RFC 4648, 4), padding optional.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let (mut bits, mut held, mut out) = (0_u32, 0_u32, Vec::with_capacity(text.len() * 3 / 4));
    for byte in text.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        (bits, held) = ((bits << 6 | u32::from(value)) & 0xfff, held + 6);
        if held >= 8 {
            held -= 8;
            out.push((bits >> held & 0xff) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_provides() {
        let provide =
            |name: &str, version: &str| Capability { name: name.into(), flags: Sense(8), version: version.into() };
        let provides = [
            provide(
                "user(dnsmasq)",
                "dSBkbnNtYXNxIC0gIkRuc21hc3EgREhDUCBhbmQgRE5TIHNlcnZlciIgL3Zhci9saWIvZG5zbWFzcQA=",
            ),
            provide("dnsmasq", "2.90-1"),
            Capability { flags: Sense(0), ..provide("group(dnsmasq)", "") },
        ];
        assert_eq!(sysusers(&provides), [r#"u dnsmasq - "Dnsmasq DHCP and DNS server" /var/lib/dnsmasq"#]);
        assert_eq!(base64("Zg=="), Some(b"f".to_vec()));
        assert_eq!(base64("%"), None);
    }

    #[test]
    fn capabilities_read_as_written() {
        let show = |flags, version: &str| {
            Capability { name: "a".into(), flags: Sense(flags), version: version.into() }.to_string()
        };
        assert_eq!(show(Sense::GREATER | Sense::EQUAL, "1.0"), "a >= 1.0");
        assert_eq!(show(Sense::RPMLIB | Sense::LESS | Sense::EQUAL, "4"), "a <= 4");
        assert_eq!(show(0, ""), "a");
    }
}
