//! The macro files of an installed root, as far as the database's place and format need them.
//!
//! Files and their order: `MACROFILES` of rpm 4.18 to 6.0 (CMakeLists.txt, macros/meson.build): a later definition
//! replaces an earlier one.

use std::{collections::BTreeMap, io};

use rustix::fs::{self, Dir, FileType, Mode, OFlags};

use super::place::Root;
use crate::{rpmdb::Backend, tree::RelPath};

/// Deeper nesting is a macro that names itself.
const DEEPEST: usize = 16;
const MOST_BYTES: u64 = 4 << 20;
const FILES: [(&str, &str); 3] =
    [("usr/lib/rpm", "macros"), ("usr/lib/rpm/macros.d", "macros."), ("etc/rpm", "macros")];

/// Whether a package that has this file may move the database.
pub(super) fn is_macro_file(path: &RelPath) -> bool {
    FILES.iter().any(|(folder, name)| {
        path.file_name().starts_with(name.as_bytes())
            && path.parent().is_some_and(|at| at.as_bytes() == folder.as_bytes())
    })
}

/// What the macros say of the database; nothing where no file says it or where only running code could.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// `%_dbpath`, below the root.
    pub(super) folder: Option<RelPath>,
    /// `%_db_backend`.
    pub(super) backend: Option<Backend>,
}

/// Reads the root's macro files.
pub(super) fn database(root: &mut Root) -> io::Result<Told> {
    let mut macros = BTreeMap::from([("_var".to_owned(), "/var".to_owned()), ("_usr".to_owned(), "/usr".to_owned())]);
    for (folder, name) in FILES {
        for text in read(root, folder, name)? {
            collect(&text, &mut macros);
        }
    }
    let path = expand("%{_dbpath}", &macros, 0).filter(|path| path.starts_with('/'));
    let backend = expand("%{_db_backend}", &macros, 0);
    Ok(Told {
        folder: path.and_then(|path| RelPath::new(path).ok()),
        backend: backend.and_then(|name| Backend::named(&name)),
    })
}

/// The files of a folder whose names begin like this, in the order of their names; backups are left out.
fn read(root: &mut Root, folder: &str, name: &str) -> io::Result<Vec<String>> {
    let folder = match root.folder(&RelPath::new(folder).map_err(io::Error::other)?) {
        Ok(folder) => folder,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let mut names: Vec<Vec<u8>> = Vec::new();
    for entry in Dir::read_from(&*folder)? {
        names.push(entry?.file_name().to_bytes().to_vec());
    }
    let backup = |found: &[u8]| found.ends_with(b"~") || found.windows(4).any(|end| end == b".rpm");
    names.retain(|found| {
        let whole = found == name.as_bytes();
        whole || found.starts_with(name.as_bytes()) && found.get(6) == Some(&b'.') && !backup(found)
    });
    names.sort();
    let mut texts = Vec::new();
    for name in names {
        let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let Ok(file) = fs::openat(&*folder, name, how, Mode::empty()) else { continue };
        if FileType::from_raw_mode(fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            continue;
        }
        let mut bytes = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(std::fs::File::from(file), MOST_BYTES), &mut bytes)?;
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(texts)
}

/// Plain definitions of one line: `%name body`.
fn collect(text: &str, macros: &mut BTreeMap<String, String>) {
    for line in text.lines().filter_map(|line| line.trim_start().strip_prefix('%')) {
        if let Some((name, body)) = line.split_once(char::is_whitespace)
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        {
            macros.insert(name.to_owned(), body.trim().to_owned());
        }
    }
}

/// Only `%{name}`; anything else is nothing that is known here.
fn expand(text: &str, macros: &BTreeMap<String, String>, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let (name, after) = rest[at + 1..].strip_prefix('{')?.split_once('}')?;
        out.push_str(&expand(macros.get(name)?, macros, depth + 1)?);
        rest = after;
    }
    Some(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_definition_says_where_the_database_is() {
        let holder = tempfile::tempdir().unwrap();
        let folder = |root: &mut Root| database(root).unwrap().folder.map(|path| path.to_string());
        let mut root = Root::open(holder.path()).unwrap();
        assert_eq!(folder(&mut root), None);
        let write = |path: &str, text: &str| {
            let path = holder.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        };
        write("usr/lib/rpm/macros", "%_dbpath\t\t%{_var}/lib/rpm\n%x %{lua:1}\n");
        assert_eq!(folder(&mut root).as_deref(), Some("/var/lib/rpm"));
        write("usr/lib/rpm/macros.d/macros.db", "# text\n%_dbpath %{_usr}/lib/sysimage/rpm\n");
        write("usr/lib/rpm/macros.d/macros.db~", "%_dbpath /wrong\n");
        assert_eq!(folder(&mut root).as_deref(), Some("/usr/lib/sysimage/rpm"));
        assert_eq!(database(&mut root).unwrap().backend, None);
        write("usr/lib/rpm/macros", "%_db_backend\t      ndb\n");
        assert_eq!(database(&mut root).unwrap().backend, Some(Backend::Ndb));
        write("etc/rpm/macros.run", "%_dbpath %(echo /x)\n");
        assert_eq!(folder(&mut root), None);
        assert!(is_macro_file(&RelPath::new("/usr/lib/rpm/macros.d/macros.db").unwrap()));
        assert!(!is_macro_file(&RelPath::new("/usr/lib/rpm/rpmrc").unwrap()));
    }
}
