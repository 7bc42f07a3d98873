//! What reading a file may do, whatever the file.

use std::panic::{AssertUnwindSafe, catch_unwind};

use aft_wgpu::models::language::Language;
use aft_wgpu::train::Checkpoint;
use aft_wgpu::{Error, Result};

use crate::memory::peak;

/// Reads `bytes` as a checkpoint and as a model's header. `about` names the case.
pub fn read(bytes: &[u8], about: &dyn std::fmt::Display) -> Result<Checkpoint> {
    let both = AssertUnwindSafe(|| peak(|| (Checkpoint::from_bytes(bytes), Language::read_config(bytes))));
    let ((checkpoint, config), held) = catch_unwind(both).unwrap_or_else(|_| panic!("{about}: a panic"));
    let allowed = 8 * bytes.len() as isize + (1 << 20);
    assert!(held <= allowed, "{about}: {held} bytes of memory for a file of {}", bytes.len());
    for error in [checkpoint.as_ref().err(), config.as_ref().err()].into_iter().flatten() {
        assert!(matches!(error, Error::Format { .. }), "{about}: {error:?}");
    }
    if let Ok(checkpoint) = &checkpoint {
        // What is taken for good is: it writes itself, reads back, and is a model.
        let written = checkpoint.to_bytes().unwrap();
        assert!(Checkpoint::from_bytes(&written).unwrap() == *checkpoint, "{about}");
        assert!(config.unwrap() == checkpoint.model, "{about}");
    }
    checkpoint
}

/// `bytes` are refused with a message that contains `part`.
pub fn refused(bytes: &[u8], part: &str, about: &dyn std::fmt::Display) {
    match read(bytes, about) {
        Ok(_) => panic!("{about}: accepted"),
        Err(error) => assert!(error.to_string().contains(part), "{about}: \"{part}\" is missing in: {error}"),
    }
}
