//! How much of the validation text a run is evaluated on.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::sync::Arc;

use aft_wgpu::Result;
use aft_wgpu::data::{Corpus, Windows};
use aft_wgpu::models::language::LanguageConfig;
use serde::{Deserialize, Serialize};

/// Number of bytes to evaluate on, in windows spread evenly over the validation text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ValidBytes {
    /// About this many bytes, or the whole text if it is shorter.
    Most(u64),
    /// The whole text.
    All,
}

impl Default for ValidBytes {
    /// This is more than the embedded text has.
    fn default() -> Self {
        Self::Most(131_072)
    }
}

impl FromStr for ValidBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "all" => Ok(Self::All),
            Ok(bytes) if bytes > 0 => Ok(Self::Most(bytes)),
            _ => Err(format!("{text} is neither a number of bytes from 1 on nor \"all\"")),
        }
    }
}

impl Display for ValidBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Most(bytes) => write!(f, "{bytes}"),
            Self::All => f.write_str("all"),
        }
    }
}

impl TryFrom<String> for ValidBytes {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ValidBytes> for String {
    fn from(bytes: ValidBytes) -> Self {
        bytes.to_string()
    }
}

/// The validation text of a run, and how much of it is used.
pub struct Valid {
    /// All windows of the text.
    pub all: Windows,
    /// Number of windows used.
    pub windows: u64,
    /// Number of bytes that these windows predict.
    pub bytes: u64,
    /// The length of the text in bytes.
    pub of_bytes: u64,
}

impl Valid {
    pub fn new(corpus: &Corpus, model: &LanguageConfig, bytes: ValidBytes) -> Result<Self> {
        let all = Windows::new(Arc::clone(&corpus.valid), model.length as usize, "the validation text")?;
        let (length, of_bytes) = (u64::from(model.length), corpus.valid.len());
        let windows = match bytes {
            ValidBytes::All => all.count(),
            ValidBytes::Most(bytes) => bytes.div_ceil(length).min(all.count()),
        };
        // The first byte is never predicted. The last window may be shorter, and is read only if all windows are.
        Ok(Self { all, windows, bytes: (windows * length).min(of_bytes - 1), of_bytes })
    }

    /// Whether the whole text is used.
    pub fn whole(&self) -> bool {
        self.windows == self.all.count()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use aft_wgpu::gpu::AdapterClass;

    use super::*;

    #[test]
    fn what_is_no_number_of_bytes_is_refused() {
        for right in ["1", "131072", "all"] {
            assert_eq!(right.parse::<ValidBytes>().unwrap().to_string(), right);
        }
        for wrong in ["", "0", "-1", "some", "1.5"] {
            assert!(wrong.parse::<ValidBytes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_embedded_text_is_read_whole() {
        let corpus = Corpus::shakespeare().unwrap();
        for length in [1, 32, 100, 128, 256, 1000, 100_000] {
            let model = LanguageConfig { length, ..LanguageConfig::for_adapter(AdapterClass::Software) };
            let valid = Valid::new(&corpus, &model, ValidBytes::default()).unwrap();
            assert!(valid.whole() && valid.bytes == corpus.valid.len() - 1, "{length}");
            let some = Valid::new(&corpus, &model, ValidBytes::Most(1000)).unwrap();
            assert_eq!(some.bytes, 1000_u64.next_multiple_of(length.into()).min(some.of_bytes - 1), "{length}");
        }
    }
}
