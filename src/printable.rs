//! Makes external text (file, tensor and adapter names, driver messages) safe to print: it cannot control the terminal or imitate
//! a message of this program.

use std::fmt::{self, Display, Formatter, Write};

/// Prints a value on one line. Control characters except tab, line ends and characters that reorder text are escaped as in JSON.
pub struct Printable<T>(pub T);

/// Prints a value on one or more lines: like [`Printable`], but line ends are kept and lines after the first are indented.
pub struct Indented<T>(pub T);

/// Prints a value of independent lines, such as a table: like [`Printable`], but line ends are kept. JSON remains valid and
/// unchanged.
pub struct Lines<T>(pub T);

impl<T: Display> Display for Printable<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escape { to: f, line_end: "\\n" }, "{}", self.0)
    }
}

impl<T: Display> Display for Indented<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escape { to: f, line_end: "\n  " }, "{}", self.0)
    }
}

impl<T: Display> Display for Lines<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(Escape { to: f, line_end: "\n" }, "{}", self.0)
    }
}

struct Escape<'a, W> {
    to: &'a mut W,
    line_end: &'static str,
}

impl<W: Write> Write for Escape<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_escaped) {
            self.to.write_str(&rest[..at])?;
            let mut after = rest[at..].chars();
            match after.next() {
                Some('\n') => self.to.write_str(self.line_end)?,
                Some('\r') => self.to.write_str("\\r")?,
                other => write!(self.to, "\\u{:04x}", other.map_or(0, u32::from))?,
            }
            rest = after.as_str();
        }
        self.to.write_str(rest)
    }
}

/// Control characters except tab, line separators, and marks that change the direction of text. All are below U+10000.
pub fn is_escaped(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn nothing_controls_a_terminal_or_begins_a_line() {
        let name = "w\u{1b}[2J\r\nerror: forged\u{9b}31m\u{202e}txt\u{7f}\t";
        let one = "w\\u001b[2J\\r\\nerror: forged\\u009b31m\\u202etxt\\u007f\t";
        assert_eq!(Printable(name).to_string(), one);
        assert_eq!(Indented(name).to_string(), one.replace("\\n", "\n  "));
        assert_eq!(Lines(name).to_string(), one.replace("\\n", "\n"));
        // Text split over several writes is escaped, and escaped text is not escaped again.
        assert_eq!(Printable(format_args!("{}{}", "\u{1b}", Printable("\u{1b}"))).to_string(), "\\u001b\\u001b");
    }

    #[test]
    fn other_text_stays_and_json_keeps_its_meaning() {
        let text = "Ünïcode \"quoted\" \\ 日本語 😀";
        assert_eq!(Printable(text).to_string(), text);
        let value = serde_json::json!({"a": "\u{7f}\u{9b}\u{2028}\n\u{1b}", "b": [1, "x"]});
        let printed = Lines(serde_json::to_string_pretty(&value).unwrap()).to_string();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
        assert!(!printed.contains('\u{7f}'));
    }
}
