//! Identifies a text by length and checksum.

use serde::{Deserialize, Serialize};

use super::text::stream;
use super::{DataError, Text};

/// Length and checksum of a text. A run can resume only with the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextMark {
    /// Length in bytes.
    pub bytes: u64,
    /// CRC-32 of all bytes.
    pub crc32: u32,
}

impl TextMark {
    /// Reads the whole text.
    ///
    /// # Errors
    /// Those of [`Text::read_at`].
    pub fn of(text: &dyn Text) -> Result<Self, DataError> {
        let mut hasher = crc32fast::Hasher::new();
        stream(text, |piece| hasher.update(piece))?;
        Ok(Self { bytes: text.len(), crc32: hasher.finalize() })
    }
}

impl std::fmt::Display for TextMark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes, checksum {:08x}", self.bytes, self.crc32)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;
    use crate::data::MemoryText;

    #[test]
    fn any_byte_and_the_length_count() {
        // The standard check value of CRC-32, for the digits 1 to 9.
        let of = |text: &[u8]| TextMark::of(&MemoryText::new(text)).unwrap();
        assert_eq!(of(b"123456789"), TextMark { bytes: 9, crc32: 0xcbf4_3926 });
        assert_ne!(of(b"123456788"), of(b"123456789"));
        assert_ne!(of(b"\0"), of(b"\0\0"));
    }
}
