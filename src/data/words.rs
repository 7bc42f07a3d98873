//! The words of a text, and the fraction of a sample's words that are among them.

use std::collections::HashSet;

use super::text::stream;
use super::{DataError, Text};

/// Shorter runs of letters are words too often by chance.
const SHORTEST: usize = 3;

/// Longer runs are not language; the limit bounds memory.
const LONGEST: usize = 64;

/// Maximum number of words kept, about 8 MB, so that memory does not grow with the text.
const MOST: usize = 1 << 17;

/// The first 131,072 distinct words of a text. A word is a run of 3 to 64 ASCII letters, in lower case.
pub struct Words(HashSet<Box<[u8]>>);

impl Words {
    /// Collects the words of `text` in one pass.
    ///
    /// # Errors
    /// Those of [`Text::read_at`].
    pub fn of(text: &dyn Text) -> Result<Self, DataError> {
        let mut words = HashSet::new();
        let mut run = Vec::with_capacity(LONGEST + 1);
        let mut end = |run: &mut Vec<u8>| {
            if words.len() < MOST && (SHORTEST..=LONGEST).contains(&run.len()) && !words.contains(run.as_slice()) {
                words.insert(Box::from(run.as_slice()));
            }
            run.clear();
        };
        stream(text, |piece| {
            for byte in piece {
                if !byte.is_ascii_alphabetic() {
                    end(&mut run);
                } else if run.len() <= LONGEST {
                    run.push(byte.to_ascii_lowercase());
                }
            }
        })?;
        end(&mut run);
        Ok(Self(words))
    }

    /// Number of distinct words.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `word` is one of them, ignoring case.
    pub fn contains(&self, word: &[u8]) -> bool {
        self.0.contains(word.to_ascii_lowercase().as_slice())
    }

    /// The fraction, from 0 to 1, of the words in `sample` that are known. Every run of three or more letters counts as a word.
    ///
    /// A run at the start or end of the sample is left out, because it may be part of a longer word. A sample without words gives
    /// 0.
    pub fn share(&self, sample: &[u8]) -> f64 {
        // Splitting at every non-letter puts the runs at both ends into the first and last piece.
        let mut pieces = sample.split(|byte| !byte.is_ascii_alphabetic()).skip(1).peekable();
        let (mut runs, mut words) = (0_u64, 0_u64);
        while let Some(run) = pieces.next() {
            if pieces.peek().is_some() && run.len() >= SHORTEST {
                runs += 1;
                words += u64::from(self.contains(run));
            }
        }
        if runs == 0 { 0.0 } else { words as f64 / runs as f64 }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::data::MemoryText;

    fn words(text: impl Into<Vec<u8>>) -> Words {
        Words::of(&MemoryText::new(text)).unwrap()
    }

    #[test]
    fn words_are_runs_of_three_letters_or_more() {
        let words = words("The cat's o'er-grown PAW, the end");
        assert_eq!(words.len(), 5);
        assert!(!words.is_empty());
        for word in ["the", "CAT", "grown", "paw", "end"] {
            assert!(words.contains(word.as_bytes()), "{word}");
        }
        assert!(!words.contains(b"er") && !words.contains(b"cats"));
        assert!(self::words("a b c 12345").is_empty());
    }

    #[test]
    fn a_word_across_pieces_is_whole() {
        // The text is read in pieces of 65 536 bytes.
        for spaces in 65_530..=65_537 {
            let words = words(format!("{}forsooth!", " ".repeat(spaces)));
            assert!(words.len() == 1 && words.contains(b"forsooth"), "{spaces}");
        }
    }

    #[test]
    fn endless_runs_are_no_words() {
        assert_eq!(words("a".repeat(64)).len(), 1);
        let long = words("a".repeat(200_000));
        assert!(long.is_empty());
        assert!(!long.contains(&[b'a'; 65]));
    }

    #[test]
    fn memory_does_not_grow_with_the_text() {
        // 10^5.7 distinct words of eight letters.
        let letters = |i: u32| (0..8).map(move |digit| char::from(b'a' + (i / 7_u32.pow(digit) % 7) as u8));
        let text: String = (0..500_000).flat_map(|i| letters(i).chain([' '])).collect();
        assert_eq!(words(text).len(), MOST);
    }

    #[test]
    fn the_share_leaves_out_runs_cut_by_an_edge() {
        let words = words("the cat sat upon");
        for (sample, share) in [
            ("", 0.0),
            ("the", 0.0),
            ("the cat", 0.0),
            (" the cat ", 1.0),
            ("xxx the yyy ", 0.5),
            (" the on upon xcat zzz\n", 0.5),
            ("...The, CAT; 'Sat'!", 1.0),
            ("zzz zz zz zzz", 0.0),
        ] {
            // Exact, because each result is a quotient of small integers.
            assert_eq!(words.share(sample.as_bytes()), share, "{sample:?}");
        }
    }
}
