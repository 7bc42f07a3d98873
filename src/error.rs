//! The error type of this crate.

use crate::data::DataError;
use crate::printable::{Indented, Printable};

/// The result of this crate's fallible functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of this crate. The message says what was expected and what was found, and what a user can do. Control characters in
/// external text, such as file and tensor names, are escaped. Programs tell errors apart by [`Error::kind`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No adapter was found.
    #[error(
        "no GPU adapter found (backends tried: {backends}). Install your GPU's Vulkan driver, or a software one \
         (Debian and Ubuntu: apt-get install mesa-vulkan-drivers)"
    )]
    NoAdapter {
        /// The backends that were tried.
        backends: String,
    },
    /// No adapter has the requested index or name.
    #[error(
        "no adapter matches \"{}\"; there are: {}. `aft adapters` lists them",
        Printable(asked),
        Printable(available)
    )]
    UnknownAdapter {
        /// The requested adapter.
        asked: String,
        /// The adapters that exist, with their indices.
        available: String,
    },
    /// The adapter did not provide a device.
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
    /// The device is out of memory.
    #[error("out of GPU memory while {doing} ({asked_bytes} bytes asked for). Try a smaller batch, length or model")]
    OutOfMemory {
        /// The operation that failed.
        doing: String,
        /// Bytes requested, if known.
        asked_bytes: u64,
    },
    /// A limit of the device is too small.
    #[error("{what} needs {needed}, this device grants {granted} ({limit}). Try {advice}")]
    LimitExceeded {
        /// The operation or object that exceeds it.
        what: String,
        /// Name of the limit.
        limit: &'static str,
        /// Value needed, in the unit of the limit.
        needed: u64,
        /// Value granted by the device.
        granted: u64,
        /// What the user can do.
        advice: String,
    },
    /// A tensor has the wrong shape.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// The operation and the tensor.
        what: String,
        /// Expected shape.
        expected: String,
        /// Actual shape.
        got: String,
    },
    /// The driver rejected a kernel or a command: a bug of this crate or of the driver.
    #[error("the driver rejected {doing}: {}. Please report this with the output of `aft adapters`", Indented(message))]
    Rejected {
        /// The operation, with the kernel's name if there is one.
        doing: String,
        /// The driver's message.
        message: String,
    },
    /// The gradient was not finite in several consecutive steps.
    #[error(
        "the gradient is not finite since step {step}; first such tensor: {tensor}. The weights are as they were before it. \
         Try a lower learning rate or a longer warm-up"
    )]
    NonFinite {
        /// The first of these steps, counted from 0.
        step: u64,
        /// The first parameter whose gradient is not finite.
        tensor: String,
    },
    /// A weight became infinite or NaN, although all gradients were finite. A single large step can cause this.
    #[error(
        "after step {step} the tensor {tensor} is not finite: training has diverged, and nothing is saved. Begin a new run \
         with a lower learning rate or a longer warm-up"
    )]
    Diverged {
        /// Training steps completed.
        step: u32,
        /// The first tensor that is not finite.
        tensor: String,
    },
    /// A step is incomplete, so training cannot be saved or continued.
    #[error(
        "{begun} steps were begun, and the device has not done all of them. Submit what was recorded; if a step failed, go on \
         from the last checkpoint"
    )]
    Unfinished {
        /// Steps that were recorded or run.
        begun: u32,
    },
    /// An invalid setting.
    #[error("{}", Printable(.0))]
    Config(String),
    /// A file with invalid content.
    #[error("{}: {}", Printable(path), Printable(message))]
    Format {
        /// Path of the file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// An unusable text.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A file operation failed.
    #[error("{}: {source}", Printable(path))]
    Io {
        /// The file or folder.
        path: String,
        /// Error of the operating system.
        source: std::io::Error,
    },
}

/// Declares [`ErrorKind`] with one kind for each variant of [`Error`].
macro_rules! kinds {
    ($($name:ident),* $(,)?) => {
        /// The kind of an error, for programs. It decides the exit code of `aft`, and is the property `kind` in JavaScript.
        ///
        /// A `match` on it needs no wildcard: when a kind is added, the compiler reports every `match` that lacks it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorKind {
            $(#[doc = concat!("[`Error::", stringify!($name), "`].")] $name),*
        }

        impl ErrorKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The name, such as `Shape`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }

        impl Error {
            /// The kind: that of the variant, except that a window of 0 bytes is a setting, not a text error.
            pub fn kind(&self) -> ErrorKind {
                match self {
                    Self::Data(DataError::EmptyWindow) => ErrorKind::Config,
                    $(Self::$name { .. } => ErrorKind::$name),*
                }
            }
        }
    };
}

kinds! {
    NoAdapter, UnknownAdapter, NoDevice, DeviceLost, OutOfMemory, LimitExceeded, Shape, Rejected, NonFinite, Diverged,
    Unfinished, Config, Format, Data, Io,
}

impl Error {
    /// A shape error from any values with a text form.
    pub(crate) fn shape(what: impl Into<String>, expected: impl ToString, got: impl ToString) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }
}

/// A size that [`expect_shape`] compares and prints. Only sizes implement it, so that a message never shows `true` or `Some(3)`.
pub(crate) trait Extent: PartialEq {
    /// The size as text.
    fn words(&self) -> String;
}

macro_rules! numbers_are_extents {
    ($($number:ty),*) => {
        $(impl Extent for $number {
            fn words(&self) -> String {
                self.to_string()
            }
        })*
    };
}
numbers_are_extents!(u32, u64, usize);

/// Rows and columns of a matrix: `[rows, columns]`.
impl<T: Extent> Extent for (T, T) {
    fn words(&self) -> String {
        format!("[{}, {}]", self.0.words(), self.1.words())
    }
}

/// Sizes of several operands: `8 and 8`.
impl<T: Extent, const N: usize> Extent for [T; N] {
    fn words(&self) -> String {
        self.each_ref().map(Extent::words).join(" and ")
    }
}

/// Fails with [`Error::Shape`] unless `got == expected`.
pub(crate) fn expect_shape<T: Extent>(what: &str, expected: T, got: T) -> Result<()> {
    if expected == got { Ok(()) } else { Err(Error::shape(what, expected.words(), got.words())) }
}

/// Fails with [`Error::Shape`] unless `got == expected`; `units` is a word such as "rows" or "numbers".
pub(crate) fn expect_count<T: Extent>(what: &str, units: &str, expected: T, got: T) -> Result<()> {
    let right = expected == got;
    if right { Ok(()) } else { Err(Error::shape(what, format!("{} {units}", expected.words()), got.words())) }
}

/// Fails with [`Error::Shape`] if `got` is less than `least`; `units` as in [`expect_count`].
pub(crate) fn expect_at_least<T: Extent + PartialOrd>(what: &str, units: &str, least: T, got: T) -> Result<()> {
    let enough = got >= least;
    if enough { Ok(()) } else { Err(Error::shape(what, format!("at least {} {units}", least.words()), got.words())) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    /// An error of the operating system.
    fn refused() -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, "permission denied")
    }

    /// Errors of every kind with their messages.
    fn table() -> Vec<(Error, &'static str)> {
        let text = str::to_owned;
        vec![
            (
                Error::NoAdapter { backends: text("Vulkan") },
                "no GPU adapter found (backends tried: Vulkan). Install your GPU's Vulkan driver, or a software one (Debian \
                 and Ubuntu: apt-get install mesa-vulkan-drivers)",
            ),
            (
                Error::UnknownAdapter { asked: text("7"), available: text("0: llvmpipe") },
                "no adapter matches \"7\"; there are: 0: llvmpipe. `aft adapters` lists them",
            ),
            (
                Error::NoDevice { adapter: text("llvmpipe"), reason: text("out of handles") },
                "the adapter \"llvmpipe\" gives no device: out of handles. Try another with --adapter",
            ),
            (
                Error::DeviceLost { reason: text("it was destroyed") },
                "the GPU device was lost (it was destroyed). Make a new device and continue from the last checkpoint; if it \
                 happens again, use a smaller batch or length, or update the driver",
            ),
            (
                Error::OutOfMemory { doing: text("making a model"), asked_bytes: 4096 },
                "out of GPU memory while making a model (4096 bytes asked for). Try a smaller batch, length or model",
            ),
            (
                Error::LimitExceeded {
                    what: text("the plane logits (bytes)"),
                    limit: "max_buffer_size",
                    needed: 300,
                    granted: 200,
                    advice: text("a smaller batch"),
                },
                "the plane logits (bytes) needs 300, this device grants 200 (max_buffer_size). Try a smaller batch",
            ),
            (
                expect_shape("linear: weight [K, N]", (3u32, 4), (4, 3)).unwrap_err(),
                "linear: weight [K, N]: expected [3, 4], got [4, 3]",
            ),
            (
                expect_shape("layer_norm: columns of gamma and beta", [8u32; 2], [8, 7]).unwrap_err(),
                "layer_norm: columns of gamma and beta: expected 8 and 8, got 8 and 7",
            ),
            (expect_count("q", "numbers", 24usize, 23).unwrap_err(), "q: expected 24 numbers, got 23"),
            (
                expect_at_least("buffer of a plane", "bytes", 64u64, 48).unwrap_err(),
                "buffer of a plane: expected at least 64 bytes, got 48",
            ),
            (
                Error::Rejected {
                    doing: text("compiling nn/linear:forward"),
                    message: text("shaders/nn/linear.wgsl line 3"),
                },
                "the driver rejected compiling nn/linear:forward: shaders/nn/linear.wgsl line 3. Please report this with the \
                 output of `aft adapters`",
            ),
            (
                Error::NonFinite { step: 12, tensor: text("head.w") },
                "the gradient is not finite since step 12; first such tensor: head.w. The weights are as they were before it. \
                 Try a lower learning rate or a longer warm-up",
            ),
            (
                Error::Diverged { step: 12, tensor: text("head.w") },
                "after step 12 the tensor head.w is not finite: training has diverged, and nothing is saved. Begin a new run with \
                 a lower learning rate or a longer warm-up",
            ),
            (
                Error::Unfinished { begun: 3 },
                "3 steps were begun, and the device has not done all of them. Submit what was recorded; if a step failed, go on \
                 from the last checkpoint",
            ),
            (Error::Config(text("batch is at least 1, not 0")), "batch is at least 1, not 0"),
            (DataError::EmptyWindow.into(), "a window must predict at least one byte"),
            (
                Error::Format { path: text("a.safetensors"), message: text("the tensor v is missing") },
                "a.safetensors: the tensor v is missing",
            ),
            (DataError::Missing { path: PathBuf::from("a.txt") }.into(), "a.txt: no such file"),
            (
                DataError::Unreadable { path: PathBuf::from("a.txt"), offset: 7, source: refused() }.into(),
                "a.txt: cannot be read at byte 7: permission denied",
            ),
            (
                DataError::Damaged { name: "train.txt.gz", source: refused() }.into(),
                "embedded train.txt.gz: cannot be unpacked: permission denied",
            ),
            (DataError::Empty { name: text("a.txt") }.into(), "a.txt is empty"),
            (
                DataError::TooShort { name: text("a.txt"), len: 5, needed: 6 }.into(),
                "a.txt has 5 bytes, a window needs 6",
            ),
            (
                DataError::OutOfRange { offset: 4, wanted: 3, len: 6 }.into(),
                "bytes 4..4+3 lie outside a text of 6 bytes",
            ),
            (Error::Io { path: text("a.txt"), source: refused() }, "a.txt: permission denied"),
        ]
    }

    #[test]
    fn every_kind_of_error_has_its_message() {
        let table = table();
        for (error, message) in &table {
            assert_eq!(error.to_string(), *message);
        }
        for kind in ErrorKind::ALL {
            assert!(
                table.iter().any(|(error, _)| error.kind() == *kind),
                "no error of the kind {} is made",
                kind.name()
            );
        }
    }

    #[test]
    fn a_kind_is_named_as_the_variant() {
        for (error, message) in table() {
            match error {
                Error::Data(DataError::EmptyWindow) => assert_eq!(error.kind(), ErrorKind::Config),
                _ => assert!(format!("{error:?}").starts_with(error.kind().name()), "{message}"),
            }
        }
    }

    #[test]
    fn what_is_right_is_no_error() {
        assert!(expect_shape("x", (3u32, 4), (3, 4)).is_ok());
        assert!(expect_count("x", "rows", 3u32, 3).is_ok());
        assert!(expect_at_least("x", "rows", 3u32, 3).is_ok() && expect_at_least("x", "rows", 3u32, 4).is_ok());
    }
}
