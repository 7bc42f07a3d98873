//! Position of a stream of tokens: the tokens that a pass reads, and their positions.
//!
//! A model has T positions. When all are used, the last `keep` tokens are read again from position 0.

/// Position of a stream; tokens are numbered from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Number of the token at position 0.
    pub origin: u64,
    /// Number of the first unread token.
    pub read: u64,
    /// Number of tokens so far.
    pub end: u64,
}

/// A pass over a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Most tokens that it reads.
    pub chunk: u64,
    /// Tokens that it always leaves unread.
    pub leave: u64,
    /// Tokens that it makes.
    pub made: u64,
    /// Positions of the model, T.
    pub length: u64,
    /// Tokens that are read again.
    pub keep: u64,
}

impl Cursor {
    /// Opens a pass: returns the position of the first token that it reads, and how many it reads.
    pub fn open(&mut self, pass: &Open) -> (u64, u64) {
        if self.read - self.origin == pass.length {
            self.origin = self.end - pass.keep;
            self.read = self.origin;
        }
        let (position, mut rows) = (self.read - self.origin, 0);
        while rows < pass.chunk && self.read + pass.leave < self.end && position + rows < pass.length {
            rows += 1;
            self.read += 1;
        }
        self.end += pass.made;
        (position, rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_read_in_chunks_and_its_last_token_makes_the_next() {
        let mut cursor = Cursor { end: 5, ..Default::default() };
        let read = Open { chunk: 3, leave: 1, made: 0, length: 6, keep: 3 };
        let step = Open { chunk: 1, leave: 0, made: 1, ..read };
        assert_eq!([cursor.open(&read), cursor.open(&read), cursor.open(&read)], [(0, 3), (3, 1), (4, 0)]);
        assert_eq!([cursor.open(&step), cursor.open(&step)], [(4, 1), (5, 1)]);
        // All six positions are used; the last three of the seven tokens are read again.
        assert_eq!([cursor.open(&read), cursor.open(&step)], [(0, 2), (2, 1)]);
        assert_eq!(cursor, Cursor { origin: 4, read: 7, end: 8 });
    }
}
