//! The `rpm` table (rpm-lua(7), rpmio/rpmlua.cc): what scriptlets may use of it.

use std::{cell::RefCell, cmp::Ordering, rc::Rc};

use mlua::{Lua, LuaString as Text, MultiValue, Table, Value, Variadic};

use super::{macros::Macros, process};
use crate::rpm::evr;

pub(super) fn table(lua: &Lua, input: &[u8]) -> mlua::Result<Table> {
    let table = lua.create_table()?;
    let lines: Vec<Vec<u8>> =
        input.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).rev().map(<[u8]>::to_vec).collect();
    let lines = Rc::new(RefCell::new(lines));
    for name in ["next_file", "input"] {
        let lines = lines.clone();
        let next = move |lua: &Lua, ()| lines.borrow_mut().pop().map(|line| lua.create_string(line)).transpose();
        table.set(name, lua.create_function(next)?)?;
    }
    add_macros(lua, &table)?;
    table.set("execute", lua.create_function(|lua, argv: Variadic<Text>| execute(lua, &argv))?)?;
    table.set("spawn", lua.create_function(|lua, (argv, _actions): (Vec<Text>, Value)| execute(lua, &argv))?)?;
    table.set("interactive", lua.create_function(|_, ()| Ok(()))?)?;
    table.set(
        "vercmp",
        lua.create_function(|_, (a, b): (String, String)| {
            Ok(match evr::compare(&a, &b) {
                Ordering::Less => -1,
                Ordering::Equal => 0,
                Ordering::Greater => 1,
            })
        })?,
    )?;
    table.set("b64encode", lua.create_function(|lua, text: Text| lua.create_string(encode(&text.as_bytes())))?)?;
    table.set(
        "b64decode",
        lua.create_function(|_, text: String| Ok(crate::root::accounts::decode(&text.replace(['\n', ' '], ""))))?,
    )?;
    Ok(table)
}

fn add_macros(lua: &Lua, table: &Table) -> mlua::Result<()> {
    let macros = Rc::new(RefCell::new(Macros::default()));
    let shared = macros.clone();
    let define = move |_: &Lua, text: String| shared.borrow_mut().define(&text).map_err(mlua::Error::runtime);
    table.set("define", lua.create_function(define)?)?;
    let shared = macros.clone();
    let undefine = move |_: &Lua, name: String| {
        shared.borrow_mut().undefine(&name);
        Ok(())
    };
    table.set("undefine", lua.create_function(undefine)?)?;
    let shared = macros.clone();
    table.set("isdefined", lua.create_function(move |_, name: String| Ok(shared.borrow().is_defined(&name)))?)?;
    let expand = move |_: &Lua, text: String| macros.borrow().expand(&text).map_err(mlua::Error::runtime);
    table.set("expand", lua.create_function(expand)?)
}

/// 0, or nothing with how and with which code it ended.
fn execute(lua: &Lua, argv: &[Text]) -> mlua::Result<MultiValue> {
    let argv: Vec<Vec<u8>> = argv.iter().map(|arg| arg.as_bytes().to_vec()).collect();
    let ended = process::run(&argv).map_err(mlua::Error::external)?;
    let mut values = MultiValue::new();
    if ended.how == "exited" && ended.code == 0 {
        values.push_back(Value::Integer(0));
        return Ok(values);
    }
    values.push_back(Value::Nil);
    values.push_back(Value::String(lua.create_string(if ended.how == "exited" {
        "exit code"
    } else {
        "exit signal"
    })?));
    values.push_back(Value::Integer(ended.code.into()));
    Ok(values)
}

fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for at in 0..4 {
            let value = (bits >> (18 - 6 * at)) as usize & 63;
            out.push(if at <= chunk.len() { char::from(ALPHABET[value]) } else { '=' });
        }
    }
    out
}
