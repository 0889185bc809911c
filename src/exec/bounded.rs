//! Output of unknown length becomes its beginning and its end.

use std::collections::VecDeque;

/// The first and the last bytes of a stream. What is left out between them is said in one line.
#[derive(Clone, Debug, Default)]
pub struct Bounded {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    half: usize,
    left_out: u64,
}

impl Bounded {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { half: limit / 2, ..Self::default() }
    }

    /// Takes more bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(self.half - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(self.half);
        self.tail.drain(..excess);
        self.left_out += excess as u64;
    }

    /// What was kept.
    pub fn into_bytes(self) -> Vec<u8> {
        let mut bytes = self.head;
        if self.left_out > 0 {
            bytes.extend_from_slice(format!("\n[{} bytes left out]\n", self.left_out).as_bytes());
        }
        bytes.extend(self.tail);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_left_out() {
        for (limit, parts, kept) in [
            (8, &["abc", "def"][..], "abcdef"),
            (4, &["abcdef"][..], "ab\n[2 bytes left out]\nef"),
            (4, &["a", "b", "c", "d", "e"][..], "ab\n[1 bytes left out]\nde"),
            (4, &[][..], ""),
        ] {
            let mut bounded = Bounded::new(limit);
            parts.iter().for_each(|part| bounded.push(part.as_bytes()));
            assert_eq!(String::from_utf8(bounded.into_bytes()).unwrap(), kept);
        }
    }
}
