//! The [`Text`] trait: bytes that can be read at any offset.

use std::ops::Range;
use std::sync::Arc;

use super::DataError;

/// Bytes that can be read at any offset, from any thread.
pub trait Text: Send + Sync {
    /// The length in bytes.
    fn len(&self) -> u64;

    /// Whether the text has no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `into` with the bytes that start at `offset`.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] if the text ends before `into` is full; also any error of the source.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError>;
}

/// Fails if a read of `wanted` bytes at `offset` goes past the end of a text of `len` bytes.
pub(super) fn check_range(offset: u64, wanted: usize, len: u64) -> Result<(), DataError> {
    let wanted = wanted as u64;
    match offset.checked_add(wanted) {
        Some(end) if end <= len => Ok(()),
        _ => Err(DataError::OutOfRange { offset, wanted, len }),
    }
}

/// Passes a whole text to `each`, piece by piece in order. Memory use does not grow with the text.
pub(super) fn stream(text: &dyn Text, mut each: impl FnMut(&[u8])) -> Result<(), DataError> {
    let mut piece = vec![0; 1 << 16];
    let mut offset = 0;
    while offset < text.len() {
        let left = usize::try_from(text.len() - offset).unwrap_or(usize::MAX);
        let size = piece.len().min(left);
        text.read_at(offset, &mut piece[..size])?;
        each(&piece[..size]);
        offset += size as u64;
    }
    Ok(())
}

/// A text held in memory.
pub struct MemoryText(Vec<u8>);

impl MemoryText {
    /// Takes the bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl Text for MemoryText {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError> {
        check_range(offset, into.len(), self.len())?;
        // The range was checked against a length that fits a usize.
        let start = offset as usize;
        into.copy_from_slice(&self.0[start..start + into.len()]);
        Ok(())
    }
}

/// A part of another text, with shared bytes.
pub struct Part {
    text: Arc<dyn Text>,
    range: Range<u64>,
}

impl Part {
    /// The part of `text` in `range`.
    ///
    /// # Errors
    /// [`DataError::OutOfRange`] if `range` exceeds `text` or is reversed.
    pub fn new(text: Arc<dyn Text>, range: Range<u64>) -> Result<Self, DataError> {
        let Range { start, end } = range;
        if start > end || end > text.len() {
            return Err(DataError::OutOfRange { offset: start, wanted: end.saturating_sub(start), len: text.len() });
        }
        Ok(Self { text, range })
    }
}

impl Text for Part {
    fn len(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<(), DataError> {
        check_range(offset, into.len(), self.len())?;
        self.text.read_at(self.range.start + offset, into)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    fn read(text: &dyn Text, offset: u64, len: usize) -> Result<Vec<u8>, DataError> {
        let mut into = vec![0; len];
        text.read_at(offset, &mut into).map(|()| into)
    }

    #[test]
    fn memory_reads_inside_and_refuses_outside() {
        let text = MemoryText::new("abcdef");
        assert_eq!(read(&text, 2, 3).unwrap(), b"cde");
        assert_eq!(read(&text, 6, 0).unwrap(), b"");
        for (offset, len) in [(6, 1), (5, 2), (7, 0), (u64::MAX, 1), (u64::MAX, 0)] {
            let error = read(&text, offset, len).unwrap_err();
            assert!(matches!(error, DataError::OutOfRange { len: 6, .. }), "{offset}+{len}: {error}");
        }
    }

    #[test]
    fn a_part_is_a_text_of_its_own() {
        let whole: Arc<dyn Text> = Arc::new(MemoryText::new("abcdef"));
        let part = Part::new(Arc::clone(&whole), 1..5).unwrap();
        assert_eq!((part.len(), part.is_empty()), (4, false));
        assert_eq!(read(&part, 1, 3).unwrap(), b"cde");
        assert!(read(&part, 2, 3).is_err(), "the byte after the part belongs to another part");
        assert!(Part::new(Arc::clone(&whole), 6..6).unwrap().is_empty());
        #[allow(clippy::reversed_empty_ranges, reason = "the reversed range is what is tested")]
        for range in [0..7, 7..7, 4..3] {
            assert!(Part::new(Arc::clone(&whole), range.clone()).is_err(), "{range:?}");
        }
    }

    #[test]
    fn a_stream_is_the_text_in_order() {
        for len in [0_u32, 1, 65_535, 65_536, 65_537, 200_000] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let mut seen = Vec::new();
            stream(&MemoryText::new(bytes.clone()), |piece| seen.extend_from_slice(piece)).unwrap();
            assert_eq!(seen, bytes);
        }
    }
}
