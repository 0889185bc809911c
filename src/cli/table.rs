//! Rows become columns that line up.

use crate::report::printable;

/// Columns as wide as their widest cell, two spaces apart; the last one is not filled up.
pub(super) fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| std::array::from_fn(|at| printable(&row[at]))).collect();
    let widths: [usize; N] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_line_up_and_cells_cannot_drive_a_terminal() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(super::table(&[row("a", "x"), row("bär", "\x1b[2J")]), "a    x\nbär  \\x1b[2J\n");
    }
}
