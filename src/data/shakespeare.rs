//! The embedded text: ten plays, compressed in the program.

use std::io::Read;
use std::ops::Range;
use std::sync::Arc;

use flate2::read::GzDecoder;

use super::{Corpus, DataError, MemoryText, Part, Text};

impl Corpus {
    /// Ten comedies of Shakespeare from the program itself, split by whole plays: 8 for training, 1 for validation, 1 for the
    /// test.
    ///
    /// `src/data/shakespeare/PROVENANCE.md` lists the plays, their source and the changes made to them.
    ///
    /// # Errors
    /// [`DataError::Damaged`] if the program file is damaged.
    pub fn shakespeare() -> Result<Self, DataError> {
        let mut all = Vec::new();
        let mut unpack = |name, packed| unpack(name, packed, &mut all);
        let train = unpack("shakespeare/train.txt.gz", include_bytes!("shakespeare/train.txt.gz"))?;
        let valid = unpack("shakespeare/valid.txt.gz", include_bytes!("shakespeare/valid.txt.gz"))?;
        let test = unpack("shakespeare/test.txt.gz", include_bytes!("shakespeare/test.txt.gz"))?;
        let whole: Arc<dyn Text> = Arc::new(MemoryText::new(all));
        let part = |range| Ok(Arc::new(Part::new(Arc::clone(&whole), range)?) as Arc<dyn Text>);
        let (train, valid, test) = (part(train)?, part(valid)?, part(test)?);
        Ok(Self { whole, train, valid, test, name: "shakespeare".to_owned() })
    }
}

/// Unpacks an archive, appends its bytes to `to`, and returns their range.
fn unpack(name: &'static str, packed: &[u8], to: &mut Vec<u8>) -> Result<Range<u64>, DataError> {
    let start = to.len() as u64;
    GzDecoder::new(packed).read_to_end(to).map_err(|source| DataError::Damaged { name, source })?;
    Ok(start..to.len() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::collections::HashSet;

    use super::*;

    fn bytes(text: &dyn Text) -> Vec<u8> {
        let mut all = vec![0; usize::try_from(text.len()).unwrap()];
        text.read_at(0, &mut all).unwrap();
        all
    }

    /// Parses the integer in a table cell, with or without commas.
    fn number(cell: &str) -> Option<u64> {
        cell.trim().replace(',', "").parse().ok()
    }

    #[test]
    fn sizes_are_those_of_the_provenance() {
        let corpus = Corpus::shakespeare().unwrap();
        let table = include_str!("shakespeare/PROVENANCE.md");
        for (split, text) in [("train", &corpus.train), ("valid", &corpus.valid), ("test", &corpus.test)] {
            let row = table.lines().find(|line| line.starts_with(&format!("| {split} |"))).unwrap();
            let cells: Vec<_> = row.split('|').collect();
            assert_eq!(number(cells[2]), Some(text.len()), "{split}");
        }
        let plays: u64 =
            table.lines().filter(|l| l.starts_with("| `")).filter_map(|l| number(l.split('|').nth(3)?)).sum();
        // Seven blank lines separate the eight plays of the training text.
        assert_eq!(plays + 7, corpus.train.len() + corpus.valid.len() + corpus.test.len());
    }

    #[test]
    fn the_text_is_clean() {
        let corpus = Corpus::shakespeare().unwrap();
        for text in [&corpus.train, &corpus.valid, &corpus.test] {
            let text = String::from_utf8(bytes(text.as_ref())).unwrap();
            assert!(text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)), "plain printable ASCII");
            assert!(text.starts_with("ACT I.\n") && text.ends_with(".]\n"));
            assert!(!text.contains(" \n") && !text.contains("\n ") && !text.contains("\n\n\n") && !text.contains("  "));
            for notice in ["gutenberg", "copyright", "etext", "complete works", "public domain", "the end\n"] {
                assert!(!text.to_lowercase().contains(notice), "{notice}");
            }
        }
    }

    /// Any 199 or more consecutive bytes contain a whole block of 100 bytes aligned to 100. So if no such block of the training
    /// text occurs in the held-out text, no window of 200 bytes does.
    #[test]
    fn no_window_of_200_bytes_is_both_trained_on_and_held_out() {
        let corpus = Corpus::shakespeare().unwrap();
        let [train, valid, test] = [&corpus.train, &corpus.valid, &corpus.test].map(|text| bytes(text.as_ref()));
        let leaks = |seen: &[u8], held_out: &[u8]| {
            let blocks: HashSet<&[u8]> = seen.chunks_exact(100).collect();
            held_out.windows(100).filter(|window| blocks.contains(window)).count()
        };
        assert_eq!(leaks(&train, &valid), 0);
        assert_eq!(leaks(&train, &test), 0);
        assert_eq!(leaks(&valid, &test), 0);
        assert!(leaks(&train, &train[12_345..12_545]) > 0, "a planted window is found");
    }

    #[test]
    fn a_damaged_archive_is_an_error() {
        let packed = include_bytes!("shakespeare/valid.txt.gz");
        let unpack = |name, packed: &[u8]| unpack(name, packed, &mut Vec::new());
        assert!(matches!(unpack("x", &packed[..1000]), Err(DataError::Damaged { name: "x", .. })));
        let mut flipped = packed.to_vec();
        flipped[20_000] ^= 1;
        assert!(matches!(unpack("x", &flipped), Err(DataError::Damaged { .. })));
    }
}
