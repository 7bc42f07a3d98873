//! A text in three parts: to learn from, to choose by, to report on.

use std::io::Read;
use std::ops::Range;
#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;

#[cfg(not(target_arch = "wasm32"))]
use super::FileText;
use super::{DataError, MemoryText, Part, Text};

/// Training, validation and test text.
#[derive(Clone)]
pub struct Corpus {
    /// What a model learns from.
    pub train: Arc<dyn Text>,
    /// What a run is steered by.
    pub valid: Arc<dyn Text>,
    /// What a result is reported on.
    pub test: Arc<dyn Text>,
    /// How to call it in reports.
    pub name: String,
}

impl Corpus {
    /// Ten comedies of Shakespeare, split by whole plays 8/1/1, unpacked from the program itself.
    ///
    /// `src/data/shakespeare/PROVENANCE.md` says which, from where, and what was done to them.
    ///
    /// # Errors
    /// [`DataError::Damaged`] when the program file itself is damaged.
    pub fn shakespeare() -> Result<Self, DataError> {
        Ok(Self {
            train: unpack("shakespeare/train.txt.gz", include_bytes!("shakespeare/train.txt.gz"))?,
            valid: unpack("shakespeare/valid.txt.gz", include_bytes!("shakespeare/valid.txt.gz"))?,
            test: unpack("shakespeare/test.txt.gz", include_bytes!("shakespeare/test.txt.gz"))?,
            name: "shakespeare".to_owned(),
        })
    }

    /// The files at `paths`, joined in order, and [`split`](Self::split).
    ///
    /// # Errors
    /// Those of [`FileText::open`] and of [`split`](Self::split).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn from_files<P: AsRef<Path>>(paths: &[P], window: u64) -> Result<Self, DataError> {
        let text = Arc::new(FileText::open(paths)?);
        let first = paths.first().map(|path| path.as_ref().display().to_string()).unwrap_or_default();
        match paths.len() {
            ..=1 => Self::split(text, first, window),
            files => Self::split(text, format!("{first} and {} more", files - 1), window),
        }
    }

    /// One text cut by bytes: the first 90 % to train on, 5 % for validation, the last 5 % for the test.
    ///
    /// `window` is the least length of each part in bytes: T + 1 for windows of T targets.
    ///
    /// # Errors
    /// [`DataError::TooShort`], naming the part that holds less than one window.
    pub fn split(text: Arc<dyn Text>, name: String, window: u64) -> Result<Self, DataError> {
        let len = text.len();
        let twentieth = len / 20;
        let part = |kind: &str, range: Range<u64>| -> Result<Arc<dyn Text>, DataError> {
            let part = Part::new(Arc::clone(&text), range)?;
            if part.len() < window {
                let name = format!("the {kind} part of {name} ({len} bytes in all)");
                return Err(DataError::TooShort { name, len: part.len(), needed: window });
            }
            Ok(Arc::new(part))
        };
        let [trained, held_out] = [len - 2 * twentieth, len - twentieth];
        Ok(Self {
            train: part("training", 0..trained)?,
            valid: part("validation", trained..held_out)?,
            test: part("test", held_out..len)?,
            name,
        })
    }
}

fn unpack(name: &'static str, packed: &[u8]) -> Result<Arc<dyn Text>, DataError> {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).map_err(|source| DataError::Damaged { name, source })?;
    Ok(Arc::new(MemoryText::new(bytes)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::collections::HashSet;
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn bytes(text: &dyn Text) -> Vec<u8> {
        let mut all = vec![0; usize::try_from(text.len()).unwrap()];
        text.read_at(0, &mut all).unwrap();
        all
    }

    /// The integer in a table cell, which may group its digits by commas.
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
        // Seven blank lines stand between the eight plays of the training text.
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

    /// A stretch of 199 bytes or more holds a whole block of 100 at a multiple of 100, wherever it begins. So if no
    /// such block of the training text occurs anywhere in held-out text, no window of 200 bytes does.
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
        assert!(matches!(unpack("x", &packed[..1000]), Err(DataError::Damaged { name: "x", .. })));
        let mut flipped = packed.to_vec();
        flipped[20_000] ^= 1;
        assert!(matches!(unpack("x", &flipped), Err(DataError::Damaged { .. })));
    }

    fn written(lens: &[usize]) -> (tempfile::TempDir, Vec<PathBuf>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let all: Vec<u8> = (0..lens.iter().sum()).map(|i: usize| (i * 31 % 256) as u8).collect();
        let mut rest = all.as_slice();
        let paths = lens.iter().enumerate().map(|(i, &len)| {
            let path = folder.path().join(format!("{i}.txt"));
            fs::write(&path, rest.split_off(..len).unwrap()).unwrap();
            path
        });
        let paths = paths.collect();
        (folder, paths, all)
    }

    #[test]
    fn files_are_cut_without_gap_or_overlap() {
        for lens in [&[1000][..], &[1, 998, 20], &[333, 333, 333], &[0, 40, 0]] {
            let (_folder, paths, all) = written(lens);
            let corpus = Corpus::from_files(&paths, 2).unwrap();
            let parts = [&corpus.train, &corpus.valid, &corpus.test].map(|text| bytes(text.as_ref()));
            assert_eq!(parts.concat(), all);
            assert_eq!((parts[1].len(), parts[2].len()), (all.len() / 20, all.len() / 20));
        }
    }

    #[test]
    fn the_name_tells_how_many_files() {
        let (_folder, paths, _) = written(&[100, 100, 100]);
        let first = paths[0].display().to_string();
        assert_eq!(Corpus::from_files(&paths[..1], 5).unwrap().name, first);
        assert_eq!(Corpus::from_files(&paths, 5).unwrap().name, format!("{first} and 2 more"));
    }

    #[test]
    fn each_part_must_hold_a_window() {
        let (_folder, paths, _) = written(&[100]);
        assert!(Corpus::from_files(&paths, 5).is_ok());
        let error = Corpus::from_files(&paths, 6).map(|c| c.name).unwrap_err();
        assert!(matches!(&error, DataError::TooShort { name, len: 5, needed: 6 } if name.contains("validation")));
        assert!(error.to_string().ends_with("has 5 bytes, a window needs 6"), "{error}");
        let error = Corpus::from_files(&paths, 91).map(|c| c.name).unwrap_err();
        assert!(matches!(&error, DataError::TooShort { name, len: 90, needed: 91 } if name.contains("training")));
        let none: [PathBuf; 0] = [];
        assert!(matches!(Corpus::from_files(&none, 1), Err(DataError::Empty { .. })));
    }
}
