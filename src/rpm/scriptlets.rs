//! Header → the scripts that run when a package comes or goes.

use super::{Header, Tag};

/// A script with its interpreter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scriptlet {
    /// Interpreter and its arguments: `["/bin/sh"]`, `["<lua>"]`; never empty.
    pub interpreter: Vec<String>,
    /// The script; nothing when only an interpreter was named (`%post -p /sbin/ldconfig`).
    pub body: Option<Vec<u8>>,
    /// How it is to be prepared.
    pub flags: ScriptletFlags,
}

/// `RPMSCRIPT_FLAG_*`, rpm 6.1, `lib/rpmscript.hh`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptletFlags(pub u32);

impl ScriptletFlags {
    /// `-e`: macros are expanded when it runs.
    pub fn is_expanded(self) -> bool {
        self.0 & 1 != 0
    }

    /// `-q`: query-format tags of the header are expanded when it runs.
    pub fn is_query_format(self) -> bool {
        self.0 & 1 << 1 != 0
    }

    /// Its failure counts even where failures are else only reported.
    pub fn is_critical(self) -> bool {
        self.0 & 1 << 2 != 0
    }
}

/// When a script runs, apart from triggers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scriptlets {
    /// `%pretrans`: before the transaction's first package.
    pub pretrans: Option<Scriptlet>,
    /// `%pre`: before the package's files appear.
    pub pre: Option<Scriptlet>,
    /// `%post`: after they did.
    pub post: Option<Scriptlet>,
    /// `%preun`: before they go.
    pub preun: Option<Scriptlet>,
    /// `%postun`: after they went.
    pub postun: Option<Scriptlet>,
    /// `%posttrans`: after the transaction's last package.
    pub posttrans: Option<Scriptlet>,
    /// `%preuntrans`: before a transaction that removes the package.
    pub preuntrans: Option<Scriptlet>,
    /// `%postuntrans`: after it.
    pub postuntrans: Option<Scriptlet>,
    /// `%verifyscript`: by `rpm -V`.
    pub verify: Option<Scriptlet>,
}

/// What a script without `-p` is run by.
const DEFAULT_INTERPRETER: &str = "/bin/sh";

/// Reads all scriptlets.
pub fn scriptlets(header: &Header) -> Scriptlets {
    let read = |body, program, flags| scriptlet(header, body, program, flags);
    Scriptlets {
        pretrans: read(Tag::PRETRANS, Tag::PRETRANSPROG, Tag::PRETRANSFLAGS),
        pre: read(Tag::PREIN, Tag::PREINPROG, Tag::PREINFLAGS),
        post: read(Tag::POSTIN, Tag::POSTINPROG, Tag::POSTINFLAGS),
        preun: read(Tag::PREUN, Tag::PREUNPROG, Tag::PREUNFLAGS),
        postun: read(Tag::POSTUN, Tag::POSTUNPROG, Tag::POSTUNFLAGS),
        posttrans: read(Tag::POSTTRANS, Tag::POSTTRANSPROG, Tag::POSTTRANSFLAGS),
        preuntrans: read(Tag::PREUNTRANS, Tag::PREUNTRANSPROG, Tag::PREUNTRANSFLAGS),
        postuntrans: read(Tag::POSTUNTRANS, Tag::POSTUNTRANSPROG, Tag::POSTUNTRANSFLAGS),
        verify: read(Tag::VERIFYSCRIPT, Tag::VERIFYSCRIPTPROG, Tag::VERIFYSCRIPTFLAGS),
    }
}

fn scriptlet(header: &Header, body: Tag, program: Tag, flags: Tag) -> Option<Scriptlet> {
    if !header.has(body) && !header.has(program) {
        return None;
    }
    let mut interpreter = header.string_array(program);
    if interpreter.first().is_none_or(String::is_empty) {
        interpreter = vec![DEFAULT_INTERPRETER.into()];
    }
    let body = header.bytes(body).map(<[u8]>::to_vec);
    let flags = ScriptletFlags(header.number(flags).unwrap_or(0) as u32);
    Some(Scriptlet { interpreter, body, flags })
}
