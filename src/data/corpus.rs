//! A text split into training, validation and test parts.

use std::ops::Range;
#[cfg(not(target_arch = "wasm32"))]
use std::path::Path;
use std::sync::Arc;

#[cfg(not(target_arch = "wasm32"))]
use super::FileText;
use super::{DataError, Part, Text};

/// A text and its training, validation and test parts.
#[derive(Clone)]
pub struct Corpus {
    /// The whole text.
    pub whole: Arc<dyn Text>,
    /// The part to train on.
    pub train: Arc<dyn Text>,
    /// The part to validate on during a run.
    pub valid: Arc<dyn Text>,
    /// The part for the final result.
    pub test: Arc<dyn Text>,
    /// Name of the text in reports.
    pub name: String,
}

impl Corpus {
    /// Joins the files at `paths` in order, then [`split`](Self::split)s the text.
    ///
    /// # Errors
    /// Those of [`FileText::open`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn from_files<P: AsRef<Path>>(paths: &[P]) -> Result<Self, DataError> {
        let text = Arc::new(FileText::open(paths)?);
        let first = paths.first().map(|path| path.as_ref().display().to_string()).unwrap_or_default();
        match paths.len() {
            ..=1 => Self::split(text, first),
            files => Self::split(text, format!("{first} and {} more", files - 1)),
        }
    }

    /// Splits a text by bytes: the first 90 % for training, 5 % for validation, the last 5 % for the test. A part may be empty or
    /// too short; [`Windows::new`](super::Windows::new) checks this.
    ///
    /// # Errors
    /// None, as long as the length of `text` does not change.
    pub fn split(text: Arc<dyn Text>, name: String) -> Result<Self, DataError> {
        let len = text.len();
        let twentieth = len / 20;
        let part = |range: Range<u64>| Ok(Arc::new(Part::new(Arc::clone(&text), range)?) as Arc<dyn Text>);
        let [trained, held_out] = [len - 2 * twentieth, len - twentieth];
        let (train, valid, test) = (part(0..trained)?, part(trained..held_out)?, part(held_out..len)?);
        Ok(Self { whole: text, train, valid, test, name })
    }

    /// The same text, with every part the whole of it: nothing is held out.
    #[must_use]
    pub fn undivided(self) -> Self {
        let [train, valid, test] = [(); 3].map(|()| Arc::clone(&self.whole));
        Self { train, valid, test, ..self }
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
            let corpus = Corpus::from_files(&paths).unwrap();
            let parts = [&corpus.train, &corpus.valid, &corpus.test].map(|text| bytes(text.as_ref()));
            assert_eq!(parts.concat(), all);
            assert_eq!((parts[1].len(), parts[2].len()), (all.len() / 20, all.len() / 20));
        }
    }

    #[test]
    fn the_name_tells_how_many_files() {
        let (_folder, paths, _) = written(&[100, 100, 100]);
        let first = paths[0].display().to_string();
        assert_eq!(Corpus::from_files(&paths[..1]).unwrap().name, first);
        assert_eq!(Corpus::from_files(&paths).unwrap().name, format!("{first} and 2 more"));
    }

    #[test]
    fn a_short_text_has_short_parts() {
        for (len, parts) in [(100, [90, 5, 5]), (39, [37, 1, 1]), (19, [19, 0, 0])] {
            let (_folder, paths, all) = written(&[len]);
            let corpus = Corpus::from_files(&paths).unwrap();
            assert_eq!([&corpus.train, &corpus.valid, &corpus.test].map(|text| text.len()), parts);
            let Corpus { whole, train, valid, test, .. } = corpus.undivided();
            assert!([whole, train, valid, test].iter().all(|text| bytes(text.as_ref()) == all), "{len}");
        }
        let none: [PathBuf; 0] = [];
        assert!(matches!(Corpus::from_files(&none), Err(DataError::Empty { .. })));
    }
}
