//! How the program ends: one error message on stderr, and an exit code for the class of the error.

use std::io::{self, Write};
use std::process::ExitCode;

use aft_wgpu::printable::Indented;
use aft_wgpu::{Error, ErrorKind};

use crate::bench::Stopped;
use crate::interrupt::{self, Interrupted};

/// The exit codes, as `aft --help` shows them.
pub const HELP: &str = "\
Exit codes:
  0  success
  1  any other error, such as output that cannot be written; of aft check and aft bench: a result that is wrong
  2  wrong usage, or settings that make no sense or exceed what the device grants
  3  no adapter, an unknown one, or one that gives no device
  4  a file: missing, unreadable, empty, too short, not writable, or not what it should be
  5  the device: lost, out of memory, or it rejected a command
  6  training diverged: the gradient or the loss is not finite
  130  interrupted by Ctrl-C; a run in training is saved, and --resume continues it

Environment:
  WGPU_BACKEND       only these backends: vulkan, metal, dx12 (comma-separated)
  WGPU_ADAPTER_NAME  the adapter where --adapter is not given
  AFT_TUNING         shapes of kernels: cpu or gpu; by default as the adapter is
  RUST_LOG           log level on stderr: error (default), warn, info, debug
  NO_COLOR           plain output";

/// Error: the model's loss is not finite, although all of its weights are. A single large step can cause this.
#[derive(Debug, thiserror::Error)]
pub enum LossNotFinite {
    /// Found when a run evaluated its model.
    #[error(
        "the loss on the validation text is not finite after step {step}: training has diverged, and no model is saved. \
         Begin a new run with a lower --lr"
    )]
    InTraining {
        /// Training steps completed.
        step: u32,
    },
    /// Found in a model file.
    #[error("{model}: the loss of this model is not finite, so its training has diverged. Train it with a lower --lr")]
    InFile {
        /// The file.
        model: String,
    },
}

/// Reports an error and returns the exit code.
pub fn code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    if is_broken_pipe(&error) {
        return ExitCode::SUCCESS;
    }
    // If stderr is closed, the exit code is still reported.
    let _ = writeln!(io::stderr(), "error: {}", Indented(&error));
    ExitCode::from(class(&error))
}

/// Whether the reader of an output closed the pipe, as in `aft generate ... | head`. That counts as success.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let source = match error.downcast_ref() {
        Some(Error::Io { source, .. }) => Some(source),
        _ => error.downcast_ref::<io::Error>(),
    };
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

/// The exit code of an error.
fn class(error: &anyhow::Error) -> u8 {
    if error.is::<LossNotFinite>() {
        return 6;
    }
    if error.is::<Interrupted>() || error.is::<Stopped>() {
        return interrupt::EXIT_CODE;
    }
    error.downcast_ref::<Error>().map_or(1, |error| class_of(error.kind()))
}

/// The exit code of an error kind. The match is exhaustive, so that a new kind must be given a code.
fn class_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Shape | ErrorKind::Unfinished => 1,
        ErrorKind::Config | ErrorKind::LimitExceeded => 2,
        ErrorKind::NoAdapter | ErrorKind::UnknownAdapter | ErrorKind::NoDevice => 3,
        ErrorKind::Data | ErrorKind::Io | ErrorKind::Format => 4,
        ErrorKind::DeviceLost | ErrorKind::OutOfMemory | ErrorKind::Rejected => 5,
        ErrorKind::NonFinite | ErrorKind::Diverged => 6,
    }
}

#[cfg(test)]
mod tests {
    use aft_wgpu::data::DataError;

    use super::*;

    #[test]
    fn each_class_has_its_code() {
        let limit = Error::LimitExceeded {
            what: "a job".into(),
            limit: "max_buffer_size",
            needed: 2,
            granted: 1,
            advice: "less".into(),
        };
        let io = Error::Io { path: "x".into(), source: io::ErrorKind::PermissionDenied.into() };
        let lost = Error::DeviceLost { reason: "gone".into() };
        let diverged = Error::NonFinite { step: 3, tensor: "head".into() };
        for (error, expected) in [
            (anyhow::anyhow!("a surprise"), 1),
            (limit.into(), 2),
            (Error::from(DataError::EmptyWindow).into(), 2),
            (Error::NoAdapter { backends: "Vulkan".into() }.into(), 3),
            (Error::from(DataError::Empty { name: "x".into() }).into(), 4),
            (Error::Unfinished { begun: 1 }.into(), 1),
            (io.into(), 4),
            (lost.into(), 5),
            (diverged.into(), 6),
            (LossNotFinite::InTraining { step: 2 }.into(), 6),
            (Interrupted { step: 7, run: "x".into() }.into(), 130),
            (Stopped { rows: 3 }.into(), 130),
            (LossNotFinite::InFile { model: "x".into() }.into(), 6),
        ] {
            assert_eq!(class(&error), expected, "{error}");
            assert!(HELP.contains(&format!("\n  {expected}  ")), "code {expected} is not documented");
        }
    }

    #[test]
    fn the_help_is_silent_about_what_is_for_tests() {
        assert!(!HELP.contains("AFT_INJECT") && HELP.contains("NO_COLOR"));
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        for error in [closed().into(), Error::Io { path: "stdout".into(), source: closed() }.into()] {
            assert_eq!(format!("{:?}", code(Err(error))), format!("{:?}", ExitCode::SUCCESS));
        }
    }
}
