//! Position of a stream, tracked on the host without reading the device.

use crate::ops::nn::cursor::Cursor;

/// Position of a stream. Tokens of each sequence are counted from the start of the stream. Between calls only the last
/// token is unread; reading it gives the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Positions of the model, T.
    pub(super) length: u64,
    /// Tokens that are read again when all positions are used.
    pub(super) kept: u64,
    /// Number of the token at position 0.
    pub(super) origin: u64,
    /// Number of the first unread token.
    pub(super) read: u64,
    /// Number of tokens so far.
    pub(super) end: u64,
    /// Number of the first generated token not yet handed to the caller.
    pub(super) handed: u64,
}

impl Place {
    pub(super) fn start(length: u32, kept: u32) -> Self {
        Self { length: length.into(), kept: kept.into(), origin: 0, read: 0, end: 0, handed: 0 }
    }

    /// Appends `count` tokens from the caller, and moves the origin as if they came one by one. Returns the number of
    /// the first token that the device needs.
    pub(super) fn append(&mut self, count: u64) -> u64 {
        let before = self.end;
        self.end += count;
        self.handed = self.end;
        let beyond = (self.end - self.origin).saturating_sub(self.length);
        if beyond > 0 {
            let stride = self.length + 1 - self.kept;
            self.origin += beyond.div_ceil(stride) * stride;
            self.read = self.origin;
        }
        before.max(self.origin)
    }

    /// Makes one token. Returns how many tokens must be read before the last one.
    pub(super) fn make(&mut self) -> u64 {
        if self.read - self.origin >= self.length {
            self.origin = self.end - self.kept;
            self.read = self.origin;
        }
        let before_last = self.unread();
        self.read = self.end;
        self.end += 1;
        before_last
    }

    /// Unread tokens before the last one.
    pub(super) fn unread(&self) -> u64 {
        (self.end - self.read).saturating_sub(1)
    }

    /// Tokens that can be made before tokens are read again.
    pub(super) fn left(&self) -> u64 {
        (self.length + 1).saturating_sub(self.end - self.origin)
    }

    /// The device's cursor between passes.
    pub(super) fn cursor(&self) -> Cursor {
        let [origin, end] = [self.origin, self.end].map(|number| number as u32);
        Cursor { origin, position: (self.read - self.origin) as u32, rows: 0, end }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tokens that are appended at once, one by one, or made lead to the same place.
    #[test]
    fn the_window_depends_on_the_number_of_tokens_alone() {
        for length in 1..12 {
            let start = || Place::start(length, (length / 2).max(1));
            for count in 1..60 {
                let mut whole = start();
                let first = whole.append(count);
                assert!(first == whole.origin && whole.end - whole.origin <= length.into());
                let mut single = start();
                (0..count).for_each(|_| {
                    single.append(1);
                    single.read = single.end - 1;
                });
                assert_eq!((single.origin, single.end), (whole.origin, whole.end), "{length} {count}");
                let mut made = start();
                made.append(1);
                (1..count).for_each(|_| assert!(made.make() < length.into()));
                // A token beyond the last position is read when the next one is made.
                assert!(made.origin == whole.origin || made.left() == 0, "{length} {count}");
                made.make();
                whole.make();
                assert_eq!((made.origin, made.read, made.end), (whole.origin, whole.read, whole.end));
            }
        }
    }

    #[test]
    fn half_of_the_positions_are_read_again() {
        let mut place = Place::start(8, 4);
        place.append(5);
        let passes: Vec<u64> = (0..14).map(|_| place.make()).collect();
        // The 4 is an artefact of this test: a generator reads the prompt's first tokens when they are appended.
        assert_eq!(passes, [4, 0, 0, 0, 3, 0, 0, 0, 0, 3, 0, 0, 0, 0]);
        assert_eq!(Place { read: 8, end: 9, ..Place::start(8, 4) }.left(), 0);
        assert_eq!(Place::start(8, 4).left(), 9);
    }
}
