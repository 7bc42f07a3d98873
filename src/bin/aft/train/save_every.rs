//! How often a checkpoint is saved: `100` steps, or `30s`, `5m`, `1h`.

use std::fmt::{self, Display};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Interval between checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SaveEvery {
    /// At multiples of this number of steps.
    Steps(u32),
    /// After this number of seconds.
    Seconds(u32),
}

/// Units of time, in seconds.
const UNITS: [(char, u32); 3] = [('s', 1), ('m', 60), ('h', 3600)];

impl SaveEvery {
    /// Whether a checkpoint is due after `step` steps, `since` after the last one.
    pub fn due(self, step: u32, since: Duration) -> bool {
        match self {
            Self::Steps(steps) => step.is_multiple_of(steps),
            Self::Seconds(seconds) => since >= Duration::from_secs(seconds.into()),
        }
    }

    /// The next step after `step` at which to check.
    pub fn next(self, step: u32) -> u32 {
        match self {
            Self::Steps(steps) => (step / steps).saturating_add(1).saturating_mul(steps),
            Self::Seconds(_) => u32::MAX,
        }
    }
}

impl Default for SaveEvery {
    fn default() -> Self {
        Self::Seconds(300)
    }
}

impl FromStr for SaveEvery {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = UNITS.iter().find_map(|&(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)));
        let (number, seconds) = unit.unwrap_or((text, 1));
        match number.parse::<u32>().ok().and_then(|n| n.checked_mul(seconds)) {
            None | Some(0) => Err("a number of steps, as 100, or a time, as 30s, 5m or 1h".into()),
            Some(count) if unit.is_some() => Ok(Self::Seconds(count)),
            Some(count) => Ok(Self::Steps(count)),
        }
    }
}

impl Display for SaveEvery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Seconds(all) => {
                let whole = UNITS.iter().rev().find(|&&(_, seconds)| all.is_multiple_of(seconds));
                let &(unit, seconds) = whole.unwrap_or(&UNITS[0]);
                write!(f, "{}{unit}", all / seconds)
            }
        }
    }
}

impl TryFrom<String> for SaveEvery {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SaveEvery> for String {
    fn from(every: SaveEvery) -> Self {
        every.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
    use super::*;

    #[test]
    fn a_number_means_steps_and_a_unit_time() {
        for (text, every) in [
            ("1", SaveEvery::Steps(1)),
            ("250", SaveEvery::Steps(250)),
            ("90s", SaveEvery::Seconds(90)),
            ("5m", SaveEvery::Seconds(300)),
            ("2h", SaveEvery::Seconds(7200)),
        ] {
            assert_eq!(text.parse(), Ok(every));
            assert_eq!(every.to_string(), text);
        }
        for wrong in ["", "0", "0m", "m", "-5", "5 m", "1.5m", "5d", "99999999999", "4294967295h"] {
            assert!(wrong.parse::<SaveEvery>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn steps_are_counted_from_the_start() {
        let every = SaveEvery::Steps(4);
        assert_eq!([0, 3, 4, 7, 8].map(|step| every.next(step)), [4, 4, 8, 8, 12]);
        assert!(every.due(8, Duration::ZERO) && !every.due(9, Duration::MAX));
        assert_eq!(SaveEvery::Steps(u32::MAX).next(u32::MAX), u32::MAX);
        let every = SaveEvery::Seconds(2);
        assert!(every.due(3, Duration::from_secs(2)) && !every.due(4, Duration::from_millis(1999)));
    }
}
