//! Configuration of packages' in TOML that is added to where it is: their words and remarks stay.

use toml_edit::{DocumentMut, Item, Table, TableLike};

/// A table of a document by the keys that lead to it; made where it is missing.
pub(super) fn table<'a>(config: &'a mut DocumentMut, keys: &[&str]) -> Result<&'a mut dyn TableLike, String> {
    let mut at: &mut Item = config.as_item_mut();
    for (depth, key) in keys.iter().enumerate() {
        let table = at.as_table_like_mut().ok_or_else(|| format!("`{key}` is in no table"))?;
        at = table.entry(key).or_insert_with(|| {
            let mut table = Table::new();
            table.set_implicit(depth + 1 < keys.len());
            Item::Table(table)
        });
    }
    at.as_table_like_mut().ok_or_else(|| format!("`{}` is no table", keys.join(".")))
}
