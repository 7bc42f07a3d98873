//! One error type: what went wrong, what was expected and what was found, and what to do.

use crate::printable::{Indented, Printable};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong. A text says what was expected and found; where a user can act, it says how. What came from
/// outside, as the name of a file or tensor, is printed with its control characters escaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter answered.
    #[error(
        "no GPU adapter found (backends tried: {backends}). Install your GPU's Vulkan driver, or a software one \
         (Debian and Ubuntu: apt-get install mesa-vulkan-drivers)"
    )]
    NoAdapter {
        /// The backends that were asked.
        backends: String,
    },
    /// No adapter has the index or name that was asked for.
    #[error(
        "no adapter matches \"{}\"; there are: {}. `aft adapters` lists them",
        Printable(asked),
        Printable(available)
    )]
    UnknownAdapter {
        /// What was asked for.
        asked: String,
        /// The adapters that exist, with their indices.
        available: String,
    },
    /// The adapter refused to give a device.
    #[error("the adapter \"{}\" gives no device: {}. Try another with --adapter", Printable(adapter), Indented(reason))]
    NoDevice {
        /// The adapter's name.
        adapter: String,
        /// The driver's reason.
        reason: String,
    },
    /// The device was lost while in use.
    #[error(
        "the GPU device was lost ({}). Make a new device and continue from the last checkpoint; if it happens again, \
         use a smaller batch or length, or update the driver",
        Indented(reason)
    )]
    DeviceLost {
        /// The driver's reason.
        reason: String,
    },
    /// The device has no memory left.
    #[error("out of GPU memory while {doing} ({asked_bytes} bytes asked for). Try a smaller batch, length or model")]
    OutOfMemory {
        /// What was being done.
        doing: String,
        /// Bytes asked for, as far as known.
        asked_bytes: u64,
    },
    /// A granted limit is too small for the job.
    #[error("{what} needs {needed}, this device grants {granted} ({limit}). Try {advice}")]
    LimitExceeded {
        /// The job.
        what: String,
        /// The limit's name.
        limit: &'static str,
        /// What the job needs, in the limit's unit.
        needed: u64,
        /// What the device granted.
        granted: u64,
        /// A way out.
        advice: String,
    },
    /// A tensor has another shape than the operation needs.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// The operation and tensor.
        what: String,
        /// The shape needed.
        expected: String,
        /// The shape found.
        got: String,
    },
    /// The driver rejected a kernel or a command: a fault of this crate or of the driver.
    #[error("the driver rejected {doing}: {}. Please report this with the output of `aft adapters`", Indented(message))]
    Rejected {
        /// What was being done; names the kernel where there is one.
        doing: String,
        /// The driver's message.
        message: String,
    },
    /// Training met numbers that are not finite, several steps in a row.
    #[error(
        "the gradient is not finite since step {step}; first such tensor: {tensor}. The weights are as they were before it. \
         Try a lower learning rate or a longer warm-up"
    )]
    NonFinite {
        /// The first step of the row, from 0.
        step: u64,
        /// The first parameter whose gradient is not finite.
        tensor: String,
    },
    /// A weight became infinite or no number although no gradient said so: one step can go too far.
    #[error(
        "after step {step} the tensor {tensor} is not finite: training has diverged, and nothing is saved. Begin a new run \
         with a lower learning rate or a longer warm-up"
    )]
    Diverged {
        /// Steps done.
        step: u32,
        /// The first such tensor.
        tensor: String,
    },
    /// Training is in the middle of a step, so that there is nothing to save or to go on from.
    #[error(
        "{begun} steps were begun, and the device has not done all of them. Submit what was recorded; if a step failed, go on \
         from the last checkpoint"
    )]
    Unfinished {
        /// Steps that were recorded or run.
        begun: u32,
    },
    /// A setting that makes no sense.
    #[error("{}", Printable(.0))]
    Config(String),
    /// A file that holds something else than it should.
    #[error("{}: {}", Printable(path), Printable(message))]
    Format {
        /// The file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// A text that cannot be used.
    #[error(transparent)]
    Data(#[from] crate::data::DataError),
    /// The operating system refused a file.
    #[error("{}: {source}", Printable(path))]
    Io {
        /// The file or folder.
        path: String,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// A shape error from anything that prints.
    pub(crate) fn shape(what: impl Into<String>, expected: impl ToString, got: impl ToString) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }
}

/// Fails with [`Error::Shape`] unless `got == expected`.
pub(crate) fn expect_shape<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, got: T) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::shape(what, format!("{expected:?}"), format!("{got:?}"))) }
}
