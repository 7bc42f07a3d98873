//! Batches on the device: a ring of slots that the host fills in advance (`shaders/lib/batch.wgsl`).

use crate::error::{Error, Result, expect_count};
use crate::gpu::Buffer;

/// Target of an ignored row: its loss and gradient are 0.
pub const IGNORED: u32 = u32::MAX;

/// Layout of a slot in u32 words: tokens `[M]`, targets `[M]`, order `[M]`, starts [V + 1], with M = B T rows and V
/// tokens.
///
/// `order` holds the rows sorted by token, then by row; those of token v are at `starts[v] .. starts[v + 1]`. The
/// gradient of the token table sums in this order, without atomics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLayout {
    /// Rows, M.
    pub rows: u32,
    /// Size of the vocabulary, V.
    pub vocabulary: u32,
}

/// A kernel's batch: slot (state.slot + micro) % slots of the ring.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Layout of a slot.
    pub layout: BatchLayout,
    /// The ring: `slots` slots of [`BatchLayout::words`] u32 each.
    pub data: &'a Buffer,
    /// Slots in the ring.
    pub slots: u32,
    /// The training state ([`crate::ops::nn::train_state`]).
    pub state: &'a Buffer,
    /// Number of the micro-batch in the step, from 0.
    pub micro: u32,
}

impl BatchLayout {
    /// Words in a slot; slot i starts at byte 4 i words().
    pub fn words(&self) -> u32 {
        self.starts() + self.vocabulary + 1
    }
    /// First word of the targets.
    pub fn targets(&self) -> u32 {
        self.rows
    }
    /// First word of the order.
    pub fn order(&self) -> u32 {
        2 * self.rows
    }
    /// First word of the starts.
    pub fn starts(&self) -> u32 {
        3 * self.rows
    }

    /// The words of a slot for `tokens` `[M]` and `targets` `[M]`; a target may be [`IGNORED`].
    ///
    /// # Errors
    /// [`Error::Shape`] if a length differs from M, or a token or target is not below V.
    pub fn pack(&self, tokens: &[u32], targets: &[u32]) -> Result<Vec<u32>> {
        self.check("tokens", tokens, false)?;
        self.check("targets", targets, true)?;
        let (rows, order) = (self.rows as usize, self.order() as usize);
        let mut words = vec![0; self.words() as usize];
        words[..rows].copy_from_slice(tokens);
        words[rows..order].copy_from_slice(targets);
        let (order, starts) = words[order..].split_at_mut(rows);
        for &token in tokens {
            starts[token as usize + 1] += 1;
        }
        for v in 0..self.vocabulary as usize {
            starts[v + 1] += starts[v];
        }
        let mut next = starts.to_vec();
        for (row, &token) in tokens.iter().enumerate() {
            order[next[token as usize] as usize] = row as u32;
            next[token as usize] += 1;
        }
        Ok(words)
    }

    fn check(&self, what: &str, values: &[u32], may_ignore: bool) -> Result<()> {
        expect_count("a batch", what, self.rows as usize, values.len())?;
        match values.iter().position(|&v| v >= self.vocabulary && !(may_ignore && v == IGNORED)) {
            None => Ok(()),
            Some(row) => {
                let expected = format!("a token below {}", self.vocabulary);
                Err(Error::shape(format!("{what} of a batch, row {row}"), expected, values[row]))
            }
        }
    }
}

impl Batch<'_> {
    /// Fails unless the buffer holds all slots, at least one.
    pub(crate) fn check(&self, what: &str) -> Result<()> {
        let needed = 4 * u64::from(self.slots) * u64::from(self.layout.words());
        if self.slots > 0 && self.data.size() >= needed {
            return Ok(());
        }
        let expected = format!("at least {needed} bytes, for at least one slot");
        let got = format!("{} bytes for {} slots", self.data.size(), self.slots);
        Err(Error::shape(format!("{what}: ring of batches"), expected, got))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    const LAYOUT: BatchLayout = BatchLayout { rows: 5, vocabulary: 4 };

    #[test]
    fn rows_are_sorted_by_token_and_stay_in_order() {
        let words = LAYOUT.pack(&[2, 0, 2, 3, 0], &[0, 2, IGNORED, 0, 1]).unwrap();
        assert_eq!(words[..5], [2, 0, 2, 3, 0]);
        assert_eq!(words[LAYOUT.targets() as usize..][..5], [0, 2, IGNORED, 0, 1]);
        assert_eq!(words[LAYOUT.order() as usize..][..5], [1, 4, 0, 2, 3]);
        assert_eq!(words[LAYOUT.starts() as usize..], [0, 2, 2, 4, 5]);
        assert_eq!(words.len() as u32, LAYOUT.words());
    }

    #[test]
    fn what_is_not_in_the_vocabulary_is_refused() {
        let message = |tokens: &[u32], targets: &[u32]| LAYOUT.pack(tokens, targets).unwrap_err().to_string();
        assert_eq!(message(&[0, 1, 4, 0, 0], &[0; 5]), "tokens of a batch, row 2: expected a token below 4, got 4");
        assert!(message(&[0, 1, IGNORED, 0, 0], &[0; 5]).starts_with("tokens of a batch, row 2"));
        assert!(message(&[0; 5], &[0, 0, 0, 0, 9]).starts_with("targets of a batch, row 4"));
        assert_eq!(message(&[0; 4], &[0; 5]), "a batch: expected 5 tokens, got 4");
    }
}
