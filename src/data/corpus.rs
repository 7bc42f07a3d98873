//! A text in three parts: to learn from, to choose by, to report on.

use std::ops::Range;
#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;
use std::sync::Arc;

#[cfg(not(target_arch = "wasm32"))]
use super::FileText;
use super::{DataError, Part, Text};

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn bytes(text: &dyn Text) -> Vec<u8> {
        let mut all = vec![0; usize::try_from(text.len()).unwrap()];
        text.read_at(0, &mut all).unwrap();
        all
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
