//! The `posix` table (luaext/lposix.c of rpm 4.18): 0 for success, or nothing, a message and the error's number.

use std::{
    ffi::OsStr,
    io,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use mlua::{IntoLuaMulti, Lua, LuaString as Text, MultiValue, Table, Value, Variadic};
use rustix::fs::{self as sys, Access, AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid};

use super::process;

pub(super) fn table(lua: &Lua) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    files(lua, &table)?;
    attributes(lua, &table)?;
    processes(lua, &table)?;
    Ok(table)
}

fn path(text: &Text) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(&text.as_bytes()))
}

/// rpm's way to tell how a call went.
fn answer(lua: &Lua, what: &Path, done: io::Result<impl IntoLuaMulti>) -> mlua::Result<MultiValue> {
    match done {
        Ok(value) => value.into_lua_multi(lua),
        Err(error) => {
            let why = error.to_string();
            let why = why.split(" (os error").next().unwrap_or("");
            (Value::Nil, format!("{}: {why}", what.display()), error.raw_os_error()).into_lua_multi(lua)
        }
    }
}

/// Registers a function of one path that gives 0 or a failure.
fn plain(lua: &Lua, table: &Table, name: &str, act: fn(&Path) -> io::Result<()>) -> mlua::Result<()> {
    let call = move |lua: &Lua, text: Text| {
        let path = path(&text);
        answer(lua, &path, act(&path).map(|()| 0))
    };
    table.set(name, lua.create_function(call)?)
}

/// The same for two paths; a failure names the second.
fn pair(lua: &Lua, table: &Table, name: &str, act: fn(&Path, &Path) -> io::Result<()>) -> mlua::Result<()> {
    let call = move |lua: &Lua, (from, to): (Text, Text)| {
        let (from, to) = (path(&from), path(&to));
        answer(lua, &to, act(&from, &to).map(|()| 0))
    };
    table.set(name, lua.create_function(call)?)
}

fn files(lua: &Lua, table: &Table) -> mlua::Result<()> {
    plain(lua, table, "chdir", |path| Ok(rustix::process::chdir(path)?))?;
    plain(lua, table, "mkdir", |path| Ok(sys::mkdirat(sys::CWD, path, Mode::from_raw_mode(0o777))?))?;
    plain(lua, table, "mkfifo", |path| {
        Ok(sys::mknodat(sys::CWD, path, FileType::Fifo, Mode::from_raw_mode(0o777), 0)?)
    })?;
    plain(lua, table, "rmdir", |path| Ok(sys::rmdir(path)?))?;
    plain(lua, table, "unlink", |path| Ok(sys::unlink(path)?))?;
    pair(lua, table, "link", |from, to| Ok(sys::link(from, to)?))?;
    pair(lua, table, "symlink", |from, to| Ok(sys::symlink(from, to)?))?;
    table.set(
        "readlink",
        lua.create_function(|lua, text: Text| {
            let path = path(&text);
            let target = sys::readlink(&path, Vec::new()).map_err(io::Error::from);
            answer(lua, &path, target.map(|target| lua.create_string(target.into_bytes())))
        })?,
    )?;
    table.set(
        "dir",
        lua.create_function(|lua, text: Option<Text>| {
            let path = text.as_ref().map_or_else(|| ".".into(), path);
            answer(lua, &path, names(&path).map(|names| strings(lua, names)))
        })?,
    )?;
    table.set(
        "files",
        lua.create_function(|lua, text: Option<Text>| {
            let path = text.as_ref().map_or_else(|| ".".into(), path);
            let mut names = names(&path).map_err(mlua::Error::external)?.into_iter();
            lua.create_function_mut(move |lua, ()| names.next().map(|name| lua.create_string(name)).transpose())
        })?,
    )?;
    table.set(
        "access",
        lua.create_function(|lua, (text, how): (Text, Option<String>)| {
            let path = path(&text);
            let letters = how.unwrap_or_else(|| "f".into());
            let mut access = Access::EXISTS;
            for (letter, flag) in [('r', Access::READ_OK), ('w', Access::WRITE_OK), ('x', Access::EXEC_OK)] {
                access.set(flag, letters.contains(letter));
            }
            answer(lua, &path, sys::access(&path, access).map(|()| 0).map_err(io::Error::from))
        })?,
    )
}

/// `.` and `..` are among them, as readdir has it.
fn names(path: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut names = vec![b".".to_vec(), b"..".to_vec()];
    for entry in fs_err::read_dir(path).map_err(|error| io::Error::from(error.kind()))? {
        names.push(entry?.file_name().as_bytes().to_vec());
    }
    names.sort();
    Ok(names)
}

fn strings(lua: &Lua, list: Vec<Vec<u8>>) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    for text in list {
        table.push(lua.create_string(text)?)?;
    }
    Ok(table)
}

fn attributes(lua: &Lua, table: &Table) -> mlua::Result<()> {
    table.set(
        "chmod",
        lua.create_function(|lua, (text, mode): (Text, String)| {
            let path = path(&text);
            let done = fs_err::metadata(&path).and_then(|found| {
                let mode = change_mode(found.permissions().mode(), &mode).ok_or(io::ErrorKind::InvalidInput)?;
                Ok(sys::chmod(&path, Mode::from_raw_mode(mode))?)
            });
            answer(lua, &path, done.map(|()| 0))
        })?,
    )?;
    table.set(
        "chown",
        lua.create_function(|lua, (text, user, group): (Text, Value, Value)| {
            let path = path(&text);
            let (uid, gid) = (id_of("passwd", &user), id_of("group", &group));
            let done = sys::chown(&path, uid.map(Uid::from_raw), gid.map(Gid::from_raw));
            answer(lua, &path, done.map(|()| 0).map_err(io::Error::from))
        })?,
    )?;
    table.set(
        "utime",
        lua.create_function(|lua, (text, modified, accessed): (Text, Option<i64>, Option<i64>)| {
            let path = path(&text);
            let time = |seconds: Option<i64>| Timespec {
                tv_sec: seconds.unwrap_or(0),
                tv_nsec: if seconds.is_some() { 0 } else { sys::UTIME_NOW },
            };
            let times = Timestamps { last_access: time(accessed), last_modification: time(modified) };
            let done = sys::utimensat(sys::CWD, &path, &times, AtFlags::empty());
            answer(lua, &path, done.map(|()| 0).map_err(io::Error::from))
        })?,
    )?;
    table.set(
        "umask",
        lua.create_function(|lua, mode: Option<String>| {
            let before = rustix::process::umask(Mode::empty());
            let wanted = mode.and_then(|mode| change_mode(!before.as_raw_mode() & 0o777, &mode));
            rustix::process::umask(wanted.map_or(before, |mode| Mode::from_raw_mode(!mode & 0o777)));
            lua.create_string(mode_text(!before.as_raw_mode()))
        })?,
    )?;
    table.set(
        "stat",
        lua.create_function(|lua, (text, field): (Text, Option<String>)| {
            let path = path(&text);
            let found = sys::lstat(&path).map_err(io::Error::from);
            answer(lua, &path, found.map(|found| select(&stat_table(lua, &found)?, field)))
        })?,
    )
}

fn select(table: &Table, field: Option<String>) -> mlua::Result<Value> {
    match field {
        Some(field) => table.get(field),
        None => Ok(Value::Table(table.clone())),
    }
}

fn stat_table(lua: &Lua, found: &Stat) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let kind = match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => "regular",
        FileType::Directory => "directory",
        FileType::Symlink => "link",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::Unknown => "?",
    };
    table.set("type", kind)?;
    table.set("mode", mode_text(found.st_mode))?;
    table.set("uid", name_of("passwd", found.st_uid))?;
    table.set("gid", name_of("group", found.st_gid))?;
    for (name, value) in [
        ("ino", found.st_ino as i64),
        ("dev", found.st_dev as i64),
        ("nlink", found.st_nlink as i64),
        ("size", found.st_size),
        ("atime", found.st_atime),
        ("mtime", found.st_mtime),
        ("ctime", found.st_ctime),
    ] {
        table.set(name, value)?;
    }
    Ok(table)
}

/// `rwxr-xr-x`, with `s` where a program runs as its owner or group.
fn mode_text(mode: u32) -> String {
    let mut text: Vec<u8> =
        (0..9).map(|bit| if mode & (0o400 >> bit) == 0 { b'-' } else { b"rwxrwxrwx"[bit] }).collect();
    for (special, at) in [(0o4000, 2), (0o2000, 5)] {
        if mode & special != 0 {
            text[at] = if text[at] == b'x' { b's' } else { b'S' };
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A mode from octal digits, from nine letters, or from changes such as `u+rw,go-x`.
fn change_mode(before: u32, text: &str) -> Option<u32> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return u32::from_str_radix(text, 8).ok().map(|mode| mode & 0o7777);
    }
    if text.len() == 9 && text.bytes().all(|c| b"rwxsStT-".contains(&c)) {
        let special = |at: usize, bit: u32| if b"sStT".contains(&text.as_bytes()[at]) { bit } else { 0 };
        let bit = |(at, c): (usize, u8)| if matches!(c, b'r' | b'w' | b'x' | b's' | b't') { 0o400u32 >> at } else { 0 };
        return Some(text.bytes().enumerate().map(bit).sum::<u32>() | special(2, 0o4000) | special(5, 0o2000));
    }
    let mut mode = before & 0o7777;
    for clause in text.split(',') {
        let at = clause.find(['+', '-', '='])?;
        let who = clause[..at].chars().fold(0, |mask, c| {
            mask | match c {
                'u' => 0o4700,
                'g' => 0o2070,
                'o' => 0o0007,
                _ => 0o6777,
            }
        });
        let who = if at == 0 { 0o6777 } else { who };
        let what = clause[at + 1..].chars().fold(0, |mask, c| {
            mask | match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                's' => 0o6000,
                _ => 0,
            }
        });
        mode = match &clause[at..=at] {
            "+" => mode | who & what,
            "-" => mode & !(who & what),
            _ => mode & !who | who & what,
        };
    }
    Some(mode)
}

/// A number, or a name looked up in the root's own file.
fn id_of(file: &str, value: &Value) -> Option<u32> {
    match value {
        Value::Integer(id) => u32::try_from(*id).ok(),
        Value::Number(id) => Some(*id as u32),
        Value::String(name) => {
            let name = name.to_string_lossy();
            name.parse().ok().or_else(|| lookup(file, |fields| fields[0] == name)?.get(2)?.parse().ok())
        }
        _ => None,
    }
}

fn name_of(file: &str, id: u32) -> String {
    let id = id.to_string();
    lookup(file, |fields| fields.get(2) == Some(&id)).map_or(id.clone(), |fields| fields[0].clone())
}

fn lookup(file: &str, wanted: impl Fn(&[String]) -> bool) -> Option<Vec<String>> {
    let text = fs_err::read_to_string(format!("/etc/{file}")).ok()?;
    text.lines().map(|line| line.split(':').map(str::to_owned).collect::<Vec<_>>()).find(|fields| wanted(fields))
}

/// A line of an account file as a table; `names` are its fields.
fn account(lua: &Lua, file: &str, names: &[&str], key: &Value) -> mlua::Result<Option<Table>> {
    let Some(id) = id_of(file, key).map(|id| id.to_string()) else { return Ok(None) };
    let Some(fields) = lookup(file, |fields| fields.get(2) == Some(&id)) else { return Ok(None) };
    let table = lua.create_table()?;
    for (name, field) in names.iter().zip(fields) {
        table.set(*name, field)?;
    }
    Ok(Some(table))
}

fn processes(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let here = Path::new("process");
    table.set("fork", lua.create_function(move |lua, ()| answer(lua, here, process::fork()))?)?;
    table.set(
        "exec",
        lua.create_function(move |lua, argv: Variadic<Text>| {
            let argv: Vec<Vec<u8>> = argv.iter().map(|arg| arg.as_bytes().to_vec()).collect();
            answer(lua, here, Err::<i32, _>(process::exec(&argv)))
        })?,
    )?;
    table.set(
        "wait",
        lua.create_function(move |lua, pid: Option<i32>| {
            answer(lua, here, process::wait(pid).map(|ended| (ended.pid, ended.how, ended.code)))
        })?,
    )?;
    table.set(
        "_exit",
        lua.create_function(|_, code: Option<i32>| -> mlua::Result<()> { process::exit(code.unwrap_or(0)) })?,
    )?;
    table.set(
        "getcwd",
        lua.create_function(move |lua, ()| {
            let cwd = rustix::process::getcwd(Vec::new()).map_err(io::Error::from);
            answer(lua, here, cwd.map(|cwd| lua.create_string(cwd.into_bytes())))
        })?,
    )?;
    table.set("getenv", lua.create_function(|_, name: String| Ok(std::env::var(name).ok()))?)?;
    table.set(
        "setenv",
        lua.create_function(|_, (name, value): (String, Option<String>)| {
            process::set_env(OsStr::new(&name), value.as_deref().map(OsStr::new));
            Ok(0)
        })?,
    )?;
    table.set(
        "unsetenv",
        lua.create_function(|_, name: String| {
            process::set_env(OsStr::new(&name), None);
            Ok(0)
        })?,
    )?;
    table.set(
        "putenv",
        lua.create_function(|_, text: String| {
            if let Some((name, value)) = text.split_once('=') {
                process::set_env(OsStr::new(name), Some(OsStr::new(value)));
            }
            Ok(0)
        })?,
    )?;
    table.set(
        "getprocessid",
        lua.create_function(|lua, field: Option<String>| {
            let table = lua.create_table()?;
            table.set("pid", std::process::id())?;
            table.set("uid", rustix::process::getuid().as_raw())?;
            table.set("gid", rustix::process::getgid().as_raw())?;
            table.set("euid", rustix::process::geteuid().as_raw())?;
            table.set("egid", rustix::process::getegid().as_raw())?;
            select(&table, field)
        })?,
    )?;
    table.set(
        "getpasswd",
        lua.create_function(|lua, (key, field): (Value, Option<String>)| {
            account(lua, "passwd", &["name", "passwd", "uid", "gid", "gecos", "dir", "shell"], &key)?
                .map(|found| select(&found, field))
                .transpose()
        })?,
    )?;
    table.set(
        "getgroup",
        lua.create_function(|lua, key: Value| account(lua, "group", &["name", "passwd", "gid"], &key))?,
    )?;
    table.set(
        "uname",
        lua.create_function(|_, format: Option<String>| {
            let machine = MACHINE.get().map_or_else(|| std::env::consts::ARCH.to_owned(), |name| (*name).to_owned());
            uname(format.as_deref().unwrap_or("%s %n %r %v %m"), &machine).map_err(mlua::Error::runtime)
        })?,
    )
}

/// The machine that the root is for; nothing: this one. Lua runs in this process, whatever runs the root's programs.
pub(super) static MACHINE: OnceLock<&'static str> = OnceLock::new();

/// uname(1)'s letters, each after a percent sign.
fn uname(format: &str, machine: &str) -> Result<String, String> {
    let host = rustix::system::uname();
    let mut text = String::new();
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        match letters.next() {
            Some('m') => text += machine,
            Some('n') => text += &host.nodename().to_string_lossy(),
            Some('r') => text += &host.release().to_string_lossy(),
            Some('s') => text += &host.sysname().to_string_lossy(),
            Some('v') => text += &host.version().to_string_lossy(),
            Some('%') => text.push('%'),
            other => return Err(format!("bad format option: {other:?}")),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uname_names_the_roots_machine() {
        assert_eq!(uname("%m-100%%", "aarch64").unwrap(), "aarch64-100%");
        assert!(uname("%s", "aarch64").unwrap().starts_with("Linux") && uname("%x", "").is_err());
    }
}
