//! Fault injection for tests: `AFT_INJECT=no-timestamps`, `zero-timestamps`, `coarse-timestamps` or `wrong-kernel@STEM`.

use aft_wgpu::gpu::{Gpu, StampFault, variable};
use aft_wgpu::{Error, Result};

const VARIABLE: &str = "AFT_INJECT";

/// The fault to inject.
#[derive(Debug, PartialEq)]
enum Fault {
    Stamps(StampFault),
    Kernel(String),
}

/// Injects the fault that `AFT_INJECT` names.
pub fn apply(gpu: &Gpu) -> Result<()> {
    let Some(text) = variable(VARIABLE) else { return Ok(()) };
    match parse(&text)? {
        Fault::Stamps(fault) => gpu.spoil_stamps(fault),
        Fault::Kernel(stem) => gpu.spoil_kernel(&stem),
    }
    Ok(())
}

fn parse(text: &str) -> Result<Fault> {
    match (text, text.split_once('@')) {
        ("no-timestamps", _) => Ok(Fault::Stamps(StampFault::Absent)),
        ("zero-timestamps", _) => Ok(Fault::Stamps(StampFault::Zero)),
        ("coarse-timestamps", _) => Ok(Fault::Stamps(StampFault::Coarse)),
        (_, Some(("wrong-kernel", stem))) => Ok(Fault::Kernel(stem.into())),
        _ => Err(Error::Config(format!(
            "{VARIABLE} is no-timestamps, zero-timestamps, coarse-timestamps or wrong-kernel@STEM, not {text}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fault_is_refused() {
        assert_eq!(parse("coarse-timestamps").ok(), Some(Fault::Stamps(StampFault::Coarse)));
        assert_eq!(parse("wrong-kernel@aft/pairs").ok(), Some(Fault::Kernel("aft/pairs".into())));
        for wrong in ["", "timestamps", "wrong-kernel", "lose-device@3", "@aft/pairs"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
