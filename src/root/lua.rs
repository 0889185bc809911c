//! Runs scriptlets with `-p <lua>` as rpm 4.20 does: Lua 5.4 with rpm's `rpm` and `posix` tables.
//!
//! [`run`] is for a child of the sandbox's that is in the root already, has one thread and the job's environment, and
//! ends afterwards: `posix.fork`, `posix.exec`, `os.execute` and `io.popen` are real and act on that root. There is no
//! `debug` and nothing that loads native code.

use mlua::{Lua, LuaOptions, StdLib, Table, Value};

mod macros;
mod posix;
mod process;
mod rpm;

/// A script that failed, with Lua's message and traceback.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl From<mlua::Error> for Error {
    fn from(error: mlua::Error) -> Self {
        Self(error.to_string())
    }
}

/// Names the machine that the root is for, where that is not this one; for `posix.uname`. To be called once, before any
/// chunk runs.
pub fn set_machine(name: &'static str) {
    // A second call would name the same one.
    let _ = posix::MACHINE.set(name);
}

/// Runs a chunk. `args` are rpm's counts (`arg[2]`, `arg[3]`), `input` what `rpm.next_file` and `rpm.input` give, line
/// by line. Prefixes come from `RPM_INSTALL_PREFIX0` and so on in the environment.
///
/// # Errors
/// The chunk cannot be compiled, or raised an error.
pub fn run(name: &str, script: &[u8], args: &[u32], input: &[u8]) -> Result<(), Error> {
    let libraries = StdLib::ALL_SAFE ^ StdLib::PACKAGE;
    let lua = Lua::new_with(libraries, LuaOptions::default())?;
    let globals = lua.globals();
    for missing in ["loadfile", "dofile"] {
        globals.set(missing, Value::Nil)?;
    }
    globals.set("rpm", rpm::table(&lua, input)?)?;
    globals.set("posix", posix::table(&lua)?)?;
    globals.set("require", lua.create_function(require)?)?;
    globals.set("arg", arguments(&lua, args)?)?;
    if let Some(prefixes) = prefixes(&lua)? {
        globals.set("RPM_INSTALL_PREFIX", prefixes)?;
    }
    lua.load(script).set_name(format!("={name}")).set_mode(mlua::chunk::ChunkMode::Text).exec()?;
    // What Lua wrote is in C's buffers; the caller leaves by `_exit`.
    lua.load("io.stdout:flush() io.stderr:flush()").exec()?;
    Ok(())
}

/// Expands the macros of a scriptlet's text (`%post -e`). None are defined outside of the root, so names stay as they
/// are and `%%` becomes `%`.
///
/// # Errors
/// The text would run something at expansion.
pub(super) fn expand(text: &str) -> Result<String, String> {
    macros::Macros::default().expand(text)
}

/// Tables that are there anyway; nothing is loaded.
fn require(lua: &Lua, name: String) -> mlua::Result<Table> {
    match lua.globals().get(name.as_str())? {
        Value::Table(table) => Ok(table),
        _ => Err(mlua::Error::runtime(format!("module `{name}` is not available to scriptlets"))),
    }
}

fn arguments(lua: &Lua, args: &[u32]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    table.push("<lua>")?;
    for count in args {
        table.push(*count)?;
    }
    Ok(table)
}

fn prefixes(lua: &Lua) -> mlua::Result<Option<Table>> {
    let table = lua.create_table()?;
    for number in 0.. {
        let Ok(prefix) = std::env::var(format!("RPM_INSTALL_PREFIX{number}")) else { break };
        table.push(prefix)?;
    }
    Ok((table.raw_len() > 0).then_some(table))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(script: &str) {
        if let Err(error) = run("test", script.as_bytes(), &[1, 2], b"/a\n/b\n") {
            panic!("{script}: {error}");
        }
    }

    #[test]
    fn scripts_get_rpms_arguments_and_files() {
        check("assert(arg[1] == '<lua>' and arg[2] == 1 and arg[3] == 2)");
        check("assert(rpm.next_file() == '/a' and rpm.next_file() == '/b' and rpm.next_file() == nil)");
        check("assert(require('posix') == posix and debug == nil and package == nil)");
        assert!(run("test", b"error('no')", &[], b"").unwrap_err().to_string().contains("no"));
        assert!(run("test", b"require('socket')", &[], b"").is_err());
    }

    #[test]
    fn the_posix_table_does_what_rpms_does() {
        let holder = tempfile::tempdir().unwrap();
        let script = format!(
            r#"
            local top = "{}"
            assert(posix.mkdir(top .. "/d") == 0)
            local ok, why, number = posix.mkdir(top .. "/d")
            assert(ok == nil and number == 17 and why:find("exists"))
            assert(posix.symlink("d", top .. "/l") == 0)
            assert(posix.readlink(top .. "/l") == "d")
            assert(posix.stat(top .. "/l", "type") == "link")
            local st = posix.stat(top .. "/d")
            assert(st.type == "directory" and st.mode:len() == 9)
            assert(posix.chmod(top .. "/d", "0700") == 0 and posix.stat(top .. "/d", "mode") == "rwx------")
            assert(posix.chmod(top .. "/d", "rwxr-xr-x") == 0 and posix.stat(top .. "/d").mode == "rwxr-xr-x")
            assert(posix.chmod(top .. "/d", "go-rx") == 0 and posix.stat(top .. "/d").mode == "rwx------")
            assert(posix.stat(top .. "/none") == nil)
            local seen = {{}}
            for name in posix.files(top) do seen[name] = true end
            assert(seen.d and seen.l and seen["."])
            assert(#posix.dir(top) == 4)
            assert(posix.access(top .. "/d", "x") == 0 and posix.access(top .. "/n") == nil)
            assert(posix.unlink(top .. "/l") == 0 and posix.rmdir(top .. "/d") == 0)
            assert(posix.getprocessid("pid") > 0 and posix.getcwd())
            assert(posix.umask("rwxr-xr-x"))
            "#,
            holder.path().display()
        );
        check(&script);
    }

    #[test]
    fn children_are_real() {
        check(
            "local pid = posix.fork() if pid == 0 then posix.exec('/bin/false') end local p, how, code = posix.wait(pid) assert(p == pid and how == 'exited' and code == 1)",
        );
        check("assert(rpm.execute('/bin/true') == 0)");
        check("local ok, how, code = rpm.execute('/bin/sh', '-c', 'exit 3') assert(ok == nil and code == 3)");
        check("assert(os.execute('exit 0'))");
    }

    #[test]
    fn macros_are_expanded_but_never_run_anything() {
        check("rpm.define('dir /usr') assert(rpm.expand('%{dir}/lib%%') == '/usr/lib%')");
        check("assert(rpm.expand('%{?none}x%{!?none:y}') == 'xy' and rpm.expand('%none') == '%none')");
        check("assert(not rpm.isdefined('none'))");
        assert!(run("test", b"rpm.expand('%(id)')", &[], b"").is_err());
        check("assert(rpm.vercmp('1.10', '1.9') == 1 and rpm.b64decode(rpm.b64encode('hello')) == 'hello')");
    }
}
