//! Windows of a text, as the tokens and targets of a batch.

use std::sync::Arc;

use super::{DataError, Text};
use crate::random;

/// Target of a position without a loss.
pub const IGNORED: u32 = u32::MAX;

/// Separates these random numbers from others of the same seed.
const STREAM: u32 = 0x7769_6e64;

/// `B` windows of T bytes as tokens; the targets are the bytes that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `[B, T]`: the bytes.
    pub tokens: Vec<u32>,
    /// `[B, T]`: the byte after each token, or [`IGNORED`].
    pub targets: Vec<u32>,
    /// Number of targets that are not [`IGNORED`]: divide a summed loss by it.
    pub predicted: usize,
}

/// The windows of a text, each with T targets.
#[derive(Clone)]
pub struct Windows {
    text: Arc<dyn Text>,
    t: usize,
}

impl Windows {
    /// Windows with `t` targets, which take `t + 1` bytes of `text`. `name` is used in the error.
    ///
    /// # Errors
    /// [`DataError::EmptyWindow`] if `t` is 0, [`DataError::TooShort`] if `text` is shorter than one window.
    pub fn new(text: Arc<dyn Text>, t: usize, name: &str) -> Result<Self, DataError> {
        if t == 0 {
            return Err(DataError::EmptyWindow);
        }
        let needed = (t as u64).saturating_add(1);
        if text.len() < needed {
            return Err(DataError::TooShort { name: name.to_owned(), len: text.len(), needed });
        }
        Ok(Self { text, t })
    }

    /// `batch` windows at uniformly random offsets. The same `seed` and `step` give the same windows on any machine.
    ///
    /// # Errors
    /// Those of [`Text::read_at`].
    pub fn random(&self, seed: u64, step: u32, batch: usize) -> Result<Batch, DataError> {
        let offsets = self.text.len() - self.t as u64;
        let [low, high] = [seed as u32, (seed >> 32) as u32 ^ STREAM];
        self.batch(batch, |b| random::below([low, high, step, b as u32], offsets))
    }

    /// Number of windows that cover the text once; the last one may be shorter than T.
    pub fn count(&self) -> u64 {
        (self.text.len() - 1).div_ceil(self.t as u64)
    }

    /// The windows `first..first + batch` of `of` windows spread evenly over the text, in order. If `of` is
    /// [`count`](Self::count), they cover the text: every byte but the first is a target exactly once.
    ///
    /// After the last window and after the end of the text, tokens are 0 and targets [`IGNORED`].
    ///
    /// # Errors
    /// Those of [`Text::read_at`].
    pub fn spread(&self, first: u64, batch: usize, of: u64) -> Result<Batch, DataError> {
        let count = self.count();
        let of = of.min(count);
        self.batch(batch, |b| match first.saturating_add(b as u64) {
            number if number < of => {
                // Less than `count`, so the product with T is an offset in the text.
                let place = u128::from(number) * u128::from(count) / u128::from(of);
                place as u64 * self.t as u64
            }
            _ => u64::MAX,
        })
    }

    /// One window at each `offset(b)`, padded at the end of the text.
    fn batch(&self, batch: usize, offset: impl Fn(usize) -> u64) -> Result<Batch, DataError> {
        let size = batch.saturating_mul(self.t);
        let mut filled = Batch { tokens: Vec::with_capacity(size), targets: Vec::with_capacity(size), predicted: 0 };
        let mut bytes = vec![0; self.t + 1];
        for b in 0..batch {
            let offset = offset(b);
            let left = usize::try_from(self.text.len().saturating_sub(offset)).unwrap_or(usize::MAX);
            let window = &mut bytes[..left.min(self.t + 1)];
            if !window.is_empty() {
                self.text.read_at(offset, window)?;
            }
            let followed = window.len().saturating_sub(1);
            filled.predicted += followed;
            let end = (b + 1) * self.t;
            filled.tokens.extend(window[..followed].iter().copied().map(u32::from));
            filled.tokens.resize(end, 0);
            filled.targets.extend(window.iter().skip(1).copied().map(u32::from));
            filled.targets.resize(end, IGNORED);
        }
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::data::MemoryText;

    /// Windows over the bytes 0, 1, 2, ...: each byte equals its offset.
    fn counting(len: usize, t: usize) -> Windows {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        Windows::new(Arc::new(MemoryText::new(bytes)), t, "counting").unwrap()
    }

    #[test]
    fn targets_are_the_next_bytes() {
        let batch = counting(200, 7).random(1, 2, 5).unwrap();
        assert_eq!((batch.tokens.len(), batch.targets.len(), batch.predicted), (35, 35, 35));
        for (window, targets) in batch.tokens.chunks(7).zip(batch.targets.chunks(7)) {
            assert!(window.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{window:?}");
            assert!(window.iter().zip(targets).all(|(token, target)| token + 1 == *target));
        }
    }

    #[test]
    fn random_windows_reach_every_offset_evenly() {
        // 20 bytes hold 16 windows of 5; 1600 draws give 100 each, with a standard deviation below 10.
        let batch = counting(20, 4).random(3, 0, 1600).unwrap();
        let mut seen = [0; 16];
        for window in batch.tokens.chunks(4) {
            seen[window[0] as usize] += 1;
        }
        assert!(seen.iter().all(|n| (50..=150).contains(n)), "five standard deviations: {seen:?}");
    }

    #[test]
    fn random_windows_depend_on_seed_and_step_alone() {
        let windows = counting(256, 3);
        let batch = windows.random(7, 11, 8).unwrap();
        assert_eq!(batch, windows.random(7, 11, 8).unwrap());
        assert_eq!(batch.tokens[..9], windows.random(7, 11, 3).unwrap().tokens, "a smaller batch is a prefix");
        for (seed, step) in [(8, 11), (7, 12), (7 + (1 << 32), 11)] {
            assert_ne!(batch, windows.random(seed, step, 8).unwrap(), "{seed} {step}");
        }
    }

    #[test]
    fn a_text_of_one_window_gives_that_window() {
        let batch = counting(5, 4).random(9, 9, 3).unwrap();
        assert_eq!(batch.tokens, [0, 1, 2, 3].repeat(3));
        assert_eq!(batch.targets, [1, 2, 3, 4].repeat(3));
    }

    #[test]
    fn all_windows_predict_every_byte_but_the_first_once() {
        for t in [1, 2, 3, 7, 8, 16] {
            for len in [t + 1, t + 2, 2 * t, 2 * t + 1, 3 * t + 2, 97, 100].into_iter().filter(|len| *len > t) {
                for batch in [1, 2, 3, 64] {
                    let windows = counting(len, t);
                    let (count, firsts) = (windows.count(), (0..windows.count()).step_by(batch));
                    let batches: Vec<_> = firsts.map(|first| windows.spread(first, batch, count).unwrap()).collect();
                    let targets: Vec<_> = batches.iter().flat_map(|b| &b.targets).filter(|&&x| x != IGNORED).collect();
                    assert!(targets.into_iter().copied().eq(1..len as u32), "T {t}, {len} bytes, B {batch}");
                    assert_eq!(batches.iter().map(|b| b.predicted).sum::<usize>(), len - 1);
                    assert!(batches.iter().all(|b| b.tokens.len() == batch * t && b.targets.len() == batch * t));
                    let pairs = batches.iter().flat_map(|b| b.tokens.iter().zip(&b.targets));
                    assert!(pairs.into_iter().all(|(x, y)| if *y == IGNORED { *x == 0 } else { x + 1 == *y }));
                }
            }
        }
    }

    #[test]
    fn some_windows_lie_evenly_over_the_text() {
        // 201 bytes hold 50 windows of 4.
        let windows = counting(201, 4);
        for of in [1_u64, 2, 7, 49, 50] {
            let batch = windows.spread(0, 64, of).unwrap();
            assert_eq!(batch.predicted as u64, 4 * of, "{of}");
            let starts: Vec<_> = batch.tokens.chunks(4).take(of as usize).map(|window| u64::from(window[0])).collect();
            let gap = 200 / of;
            assert!(starts.iter().zip(0..).all(|(&at, i)| at % 4 == 0 && (at as i64 - 200 * i / of as i64).abs() < 4));
            assert!(starts.windows(2).all(|pair| pair[1] - pair[0] >= gap / 4 * 4), "{of}: {starts:?}");
        }
        // The largest possible count does not overflow.
        assert_eq!(windows.spread(3, 5, u64::MAX).unwrap(), windows.spread(3, 5, 50).unwrap());
        assert_eq!(windows.spread(0, 3, 0).unwrap().predicted, 0);
    }

    #[test]
    fn past_the_end_there_is_nothing_to_predict() {
        let windows = counting(10, 4);
        let batch = windows.spread(2, 2, 3).unwrap();
        assert_eq!(batch.tokens, [8, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(batch.targets, [9, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED, IGNORED]);
        assert_eq!(batch.predicted, 1);
        assert_eq!(windows.spread(u64::MAX, 2, 3).unwrap().predicted, 0);
        assert!(windows.random(0, 0, 0).unwrap().tokens.is_empty());
    }

    #[test]
    fn a_short_text_is_refused_with_both_lengths() {
        let text = || Arc::new(MemoryText::new("abcd"));
        let error = Windows::new(text(), 4, "the poem").map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), "the poem has 4 bytes, a window needs 5");
        assert!(matches!(Windows::new(text(), 0, "the poem"), Err(DataError::EmptyWindow)));
        assert!(Windows::new(text(), usize::MAX, "the poem").is_err());
        assert!(Windows::new(text(), 3, "the poem").is_ok());
    }
}
