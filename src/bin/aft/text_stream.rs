//! Streaming text output: writes bytes as soon as they form whole characters, or at once in raw mode.

use std::io::{self, Write};

/// Writes bytes as UTF-8 as soon as they form whole characters. Invalid bytes become U+FFFD. In raw mode all bytes are written
/// unchanged.
pub struct TextStream<W> {
    out: W,
    raw: bool,
    /// The beginning of an incomplete character.
    waiting: Vec<u8>,
}

impl<W: Write> TextStream<W> {
    pub fn new(out: W, raw: bool) -> Self {
        Self { out, raw, waiting: Vec::new() }
    }

    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.raw {
            self.out.write_all(bytes)?;
            return self.out.flush();
        }
        self.waiting.extend_from_slice(bytes);
        let mut ready = String::new();
        let mut rest: &[u8] = &self.waiting;
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    ready.push_str(text);
                    rest = &[];
                    break;
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    ready.push_str(&String::from_utf8_lossy(valid));
                    rest = after;
                    // No error length: the character is incomplete, and more bytes may complete it.
                    let Some(invalid) = error.error_len() else { break };
                    ready.push(char::REPLACEMENT_CHARACTER);
                    rest = &rest[invalid..];
                }
            }
        }
        self.waiting = rest.to_vec();
        self.out.write_all(ready.as_bytes())?;
        self.out.flush()
    }

    /// Writes an incomplete character that is left at the end.
    pub fn end(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        self.out.write_all(String::from_utf8_lossy(&rest).as_bytes())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    /// The output length after each byte, and the final output.
    fn streamed(bytes: &[u8]) -> (Vec<usize>, String) {
        let mut stream = TextStream::new(Vec::new(), false);
        let lengths = bytes.iter().map(|b| stream.push(&[*b]).map(|()| stream.out.len()).unwrap()).collect();
        stream.end().unwrap();
        (lengths, String::from_utf8(stream.out).unwrap())
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let (lengths, text) = streamed("aé€😀b".as_bytes());
        assert_eq!(text, "aé€😀b");
        assert_eq!(lengths, [1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11]);
    }

    #[test]
    fn any_bytes_give_what_lossy_decoding_gives() {
        for bytes in [
            &b"a\xffb"[..],
            b"\xe2\x82",
            b"\xe2\x82z",
            b"\xf0\x9f\x98",
            b"\xc3\xc3\xa9",
            b"\xf0\x28\x8c\x28",
            b"\xed\xa0\x80",
            b"",
        ] {
            assert_eq!(streamed(bytes).1, String::from_utf8_lossy(bytes), "{bytes:x?}");
        }
    }
}
