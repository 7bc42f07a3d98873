//! The byte bigram model: predicts each byte from the previous one. A model that does no better has learnt no context.

use super::text::stream;
use super::{DataError, IGNORED, Text, Windows};
use crate::random;

/// Separates these random numbers from others of the same seed.
const STREAM: u32 = 0x6269_6772;

/// A byte bigram model with Witten-Bell smoothing, which has no free parameter:
/// P(b | a) = (n(ab) + d(a) P(b)) / (n(a) + d(a)), where n are the counts, d(a) is the number of distinct bytes after a,
/// and P(b) = (n(b) + 1) / (N + 256).
pub struct Bigram {
    /// `[256, 256]`: log2 P(b | a), row a, column b.
    log2: Vec<f64>,
}

impl Bigram {
    /// Counts the byte pairs of `text` in one pass.
    ///
    /// # Errors
    /// Those of [`Text::read_at`]. An empty text gives the uniform distribution.
    pub fn fit(text: &dyn Text) -> Result<Self, DataError> {
        let mut pairs = vec![0_u64; 256 * 256];
        let mut singles = [0_u64; 256];
        let mut last = None;
        stream(text, |piece| {
            for &b in piece {
                singles[usize::from(b)] += 1;
                if let Some(a) = last.replace(b) {
                    pairs[pair(a, b)] += 1;
                }
            }
        })?;
        let prior = singles.map(|n| (n + 1) as f64 / (text.len() + 256) as f64);
        let mut log2 = Vec::with_capacity(pairs.len());
        for row in pairs.chunks_exact(256) {
            let seen = row.iter().sum::<u64>() as f64;
            let distinct = row.iter().filter(|&&n| n > 0).count() as f64;
            log2.extend(row.iter().zip(prior).map(|(&n, prior)| {
                // Nothing follows this byte in the text, so the prior P(b) is used.
                let p = if seen > 0.0 { (n as f64 + distinct * prior) / (seen + distinct) } else { prior };
                libm::log2(p)
            }));
        }
        Ok(Self { log2 })
    }

    /// The mean of -log2 P over every byte of `text` except the first.
    ///
    /// # Errors
    /// [`DataError::TooShort`] when `text` has fewer than two bytes, and those of [`Text::read_at`].
    pub fn bits_per_byte(&self, text: &dyn Text) -> Result<f64, DataError> {
        if text.len() < 2 {
            return Err(DataError::TooShort { name: "the text to measure".to_owned(), len: text.len(), needed: 2 });
        }
        let mut bits = 0.0;
        let mut last = None;
        stream(text, |piece| {
            for &b in piece {
                bits -= last.replace(b).map_or(0.0, |a| self.log2[pair(a, b)]);
            }
        })?;
        Ok(bits / (text.len() - 1) as f64)
    }

    /// The mean of -log2 P over the targets of `of` windows spread evenly over a text ([`Windows::spread`]).
    ///
    /// # Errors
    /// Those of [`Text::read_at`].
    pub fn bits_per_byte_of(&self, windows: &Windows, of: u64) -> Result<f64, DataError> {
        const BATCH: usize = 64;
        let (mut bits, mut predicted) = (0.0, 0);
        for first in (0..of.min(windows.count())).step_by(BATCH) {
            let batch = windows.spread(first, BATCH, of)?;
            for (&a, &b) in batch.tokens.iter().zip(&batch.targets).filter(|(_, target)| **target != IGNORED) {
                bits -= self.log2[pair(a as u8, b as u8)];
            }
            predicted += batch.predicted;
        }
        Ok(bits / predicted.max(1) as f64)
    }

    /// Generates `len` bytes that follow a newline, drawn from P^(1 / `temperature`). A temperature of 0 or below always takes
    /// the likeliest byte. The same `seed` gives the same bytes on any machine.
    pub fn generate(&self, seed: u64, temperature: f64, len: usize) -> Vec<u8> {
        let [low, high] = [seed as u32, (seed >> 32) as u32 ^ STREAM];
        let mut last = b'\n';
        let mut draw = |position: usize| {
            let position = position as u64;
            let [word, ..] = random::pcg4d([low, high, position as u32, (position >> 32) as u32]);
            let row = &self.log2[pair(last, 0)..=pair(last, 255)];
            last = pick(row, temperature, random::unit(word));
            last
        };
        (0..len).map(&mut draw).collect()
    }
}

fn pair(a: u8, b: u8) -> usize {
    usize::from(a) << 8 | usize::from(b)
}

/// The byte at quantile `u` of the distribution proportional to 2^(`log2` / `temperature`).
fn pick(log2: &[f64], temperature: f64, u: f64) -> u8 {
    let (likeliest, top) = (0..=255_u8)
        .zip(log2.iter().copied())
        .fold((0, f64::NEG_INFINITY), |best, next| if next.1 > best.1 { next } else { best });
    if temperature > 0.0 {
        let weights: Vec<f64> = log2.iter().map(|l| libm::exp2((l - top) / temperature)).collect();
        let mut left = u * weights.iter().sum::<f64>();
        for (byte, weight) in (0..=255).zip(weights) {
            left -= weight;
            if left < 0.0 {
                return byte;
            }
        }
    }
    likeliest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use std::sync::Arc;

    use super::*;
    use crate::data::{Corpus, MemoryText, Words};

    fn fitted(text: &str) -> Bigram {
        Bigram::fit(&MemoryText::new(text)).unwrap()
    }

    #[test]
    fn every_row_is_a_distribution() {
        for text in ["", "a", "ab", "abracadabra"] {
            let bigram = fitted(text);
            for (a, row) in bigram.log2.chunks(256).enumerate() {
                let sum: f64 = row.iter().map(|l| l.exp2()).sum();
                // Rounding of 256 additions.
                assert!((sum - 1.0).abs() < 1e-12, "{text}, after byte {a}: {sum}");
            }
        }
    }

    #[test]
    fn probabilities_are_those_of_the_formula() {
        // "abac": after a came b and c once each, so n = 2 and d = 2; P(b) = 2 / 260, P(z) = 1 / 260.
        let bigram = fitted("abac");
        let p = |a, b| bigram.log2[pair(a, b)].exp2();
        for (got, want) in [
            (p(b'a', b'b'), (1.0 + 2.0 * 2.0 / 260.0) / 4.0),
            (p(b'a', b'z'), (2.0 / 260.0) / 4.0),
            (p(b'b', b'a'), (1.0 + 3.0 / 260.0) / 2.0),
            (p(b'c', b'a'), 3.0 / 260.0),
        ] {
            // Rounding of log2 and exp2.
            assert!((got - want).abs() < 1e-14, "{got} {want}");
        }
    }

    #[test]
    fn bits_per_byte_at_the_limits() {
        let uniform = fitted("").bits_per_byte(&MemoryText::new("any text")).unwrap();
        // The mean of seven eights.
        assert!((uniform - 8.0).abs() < 1e-12, "{uniform}");
        let repeated = "ab".repeat(50_000);
        // One unseen pair in 50 000, and the rounding of a long sum.
        assert!(fitted(&repeated).bits_per_byte(&MemoryText::new(repeated)).unwrap() < 1e-4);
        for short in ["", "a"] {
            assert!(matches!(
                fitted("ab").bits_per_byte(&MemoryText::new(short)),
                Err(DataError::TooShort { needed: 2, .. })
            ));
        }
    }

    #[test]
    fn all_windows_of_a_text_give_the_bits_of_the_text() {
        let bigram = fitted("abracadabra, abracadabra");
        let text = Arc::new(MemoryText::new("a cab ".repeat(100)));
        let windows = Windows::new(text.clone(), 7, "the text").unwrap();
        let whole = bigram.bits_per_byte(text.as_ref()).unwrap();
        assert_eq!(bigram.bits_per_byte_of(&windows, windows.count()).unwrap(), whole);
        // Two of the 86 windows: the first, and the one 43 windows of 7 bytes later.
        let window = |at: usize| MemoryText::new(&"a cab ".repeat(100).as_bytes()[at..at + 8]);
        let [first, second] = [0, 301].map(|at| bigram.bits_per_byte(&window(at)).unwrap());
        let some = bigram.bits_per_byte_of(&windows, 2).unwrap();
        assert!((some - (first + second) / 2.0).abs() < 1e-12 && some != whole, "{some} {first} {second} {whole}");
    }

    #[test]
    fn pairs_across_pieces_are_counted() {
        // The text is read in pieces of 65 536 bytes, so "xy" straddles two of them.
        let text = format!("{}xy{}", "a".repeat(65_535), "a".repeat(10));
        assert!(fitted(&text).log2[pair(b'x', b'y')] > -1.01, "y followed x every time");
    }

    #[test]
    fn generation_follows_seed_and_temperature() {
        let bigram = fitted(&"\nab\nab\nac".repeat(1000));
        let sample = bigram.generate(1, 1.0, 300);
        assert_eq!(sample.len(), 300);
        assert_eq!(sample, bigram.generate(1, 1.0, 300));
        assert_eq!(sample[..50], bigram.generate(1, 1.0, 50), "a shorter sample is a prefix");
        assert_ne!(sample, bigram.generate(2, 1.0, 300));
        for cold in [0.0, -1.0, 1e-9, f64::NAN] {
            assert_eq!(bigram.generate(5, cold, 6), b"ab\nab\n", "{cold}");
        }
        // "c" follows "a" in one of three cases: about 33 of 100, with a standard deviation below 5.
        let c = sample.iter().filter(|&&b| b == b'c').count();
        assert!((8..=58).contains(&c), "five standard deviations: {c}");
    }

    #[cfg(feature = "data")]
    #[test]
    fn the_yardstick_on_the_embedded_text() {
        let corpus = Corpus::shakespeare().unwrap();
        let bigram = Bigram::fit(corpus.train.as_ref()).unwrap();
        let bits = |text: &dyn Text| bigram.bits_per_byte(text).unwrap();
        let [train, valid, test] = [&corpus.train, &corpus.valid, &corpus.test].map(|text| bits(text.as_ref()));
        let share = Words::of(corpus.train.as_ref()).unwrap().share(&bigram.generate(0, 0.7, 2000));
        println!("bigram bits per byte: train {train:.4}, valid {valid:.4}, test {test:.4}; word share {share:.3}");
        // English text of one kind has about 3.5 bits; the held-out plays are of the same kind.
        assert!((3.0..4.0).contains(&train) && train < valid && (valid - train) < 0.2 && (test - train).abs() < 0.2);
        assert!((0.05..0.6).contains(&share), "some short runs are words by chance");
    }
}
