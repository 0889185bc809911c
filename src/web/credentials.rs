//! Names and passwords for repositories that ask for them, from where only their owner looks: never from a profile.
//!
//! All three places have the format of netrc (`ftp(1)`, as curl 8 reads it): `machine HOST login NAME password SECRET`,
//! `default` for any other host. The first that knows a host is asked: `ROWI_CREDENTIALS` (the text itself),
//! `$XDG_CONFIG_HOME/rowi/credentials`, `$NETRC` or `~/.netrc`.

use std::{
    env, fmt, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Failure;

/// Largest file that is read.
const MOST: u64 = 1 << 20;

/// What is known of hosts.
#[derive(Clone, Default)]
pub(super) struct Credentials(Vec<Entry>);

#[derive(Clone)]
struct Entry {
    /// Nothing: any host.
    host: Option<String>,
    user: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({} hosts)", self.0.len())
    }
}

impl Credentials {
    /// Of whoever runs the program.
    pub(super) fn of_user() -> Result<Self, Failure> {
        let variable = |name| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let home = variable("HOME");
        let config = variable("XDG_CONFIG_HOME").or_else(|| Some(home.as_ref()?.join(".config")));
        let netrc = variable("NETRC").or_else(|| Some(home?.join(".netrc")));
        let files = [config.map(|config| config.join("rowi/credentials")), netrc];
        let mut all = parse(&env::var("ROWI_CREDENTIALS").unwrap_or_default());
        for file in files.into_iter().flatten() {
            let text = read(&file).map_err(|source| Failure::Credentials { file: file.clone(), source })?;
            all.extend(parse(&text));
        }
        Ok(Self(all))
    }

    /// `NAME:SECRET` for a host (`name` or `name:port`); one that is named goes before any.
    pub(super) fn of(&self, host: &str) -> Option<String> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let is_named = |entry: &&Entry| entry.host.as_deref().is_some_and(|known| known == host || known == name);
        let entry = self.0.iter().find(is_named).or_else(|| self.0.iter().find(|entry| entry.host.is_none()))?;
        Some(format!("{}:{}", entry.user, entry.password))
    }
}

/// A file that is not there holds nothing; one that others may read is no secret.
fn read(file: &Path) -> io::Result<String> {
    let kept = match fs_err::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        kept => kept?,
    };
    if kept.permissions().mode() & 0o077 != 0 {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "others may read it"));
    }
    if !kept.is_file() || kept.len() > MOST {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is no small file"));
    }
    fs_err::read_to_string(file)
}

/// Words until the end; `macdef` and what follows it is not for repositories.
fn parse(text: &str) -> Vec<Entry> {
    let words = text.lines().flat_map(|line| line.split_whitespace().take_while(|word| !word.starts_with('#')));
    let mut words = words.take_while(|word| *word != "macdef");
    let mut all: Vec<Entry> = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default().to_owned();
        let entry = |host| Entry { host, user: String::new(), password: String::new() };
        match word {
            "machine" => all.push(entry(Some(value()))),
            "default" => all.push(entry(None)),
            "login" => all.last_mut().into_iter().for_each(|last| last.user = value()),
            "password" => all.last_mut().into_iter().for_each(|last| last.password = value()),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_by_name_before_any() {
        let text = "default login any password of\nmachine mirror.example.lan\n  login me password s3#cr.t\n\
                    machine other:8080 login you password x # a remark\nmacdef init\nmachine late login a password b\n";
        let known = Credentials(parse(text));
        assert_eq!(known.of("mirror.example.lan").as_deref(), Some("me:s3#cr.t"));
        assert_eq!(known.of("mirror.example.lan:443").as_deref(), Some("me:s3#cr.t"));
        assert_eq!(known.of("other:8080").as_deref(), Some("you:x"));
        assert_eq!(known.of("late").as_deref(), Some("any:of"));
        assert_eq!(Credentials::default().of("mirror.example.lan"), None);
        assert_eq!(format!("{known:?}"), "Credentials(3 hosts)");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("netrc");
        assert_eq!(read(&file).expect("no file, no secret"), "");
        fs_err::write(&file, "machine a login b password c").expect("a file");
        for (mode, is_read) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs_err::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("own file");
            assert_eq!(read(&file).is_ok(), is_read, "{mode:o}");
        }
    }
}
