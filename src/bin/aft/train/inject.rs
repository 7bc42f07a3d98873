//! Fault injection for tests. `AFT_INJECT=lose-device@STEP` loses the device once, after that step or as soon as possible;
//! `lose-every-device@STEP` loses every device that reaches it.

use aft_wgpu::gpu::{Gpu, variable};
use aft_wgpu::{Error, Result};

const VARIABLE: &str = "AFT_INJECT";

/// The faults to inject.
#[derive(Default)]
pub struct Faults {
    lose_device_at: Option<u32>,
    again: bool,
}

impl Faults {
    /// The faults that `AFT_INJECT` names.
    pub fn from_env() -> Result<Self> {
        let Some(text) = variable(VARIABLE) else { return Ok(Self::default()) };
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let wrong = || Error::Config(format!("{VARIABLE} is lose-device@STEP or lose-every-device@STEP, not {text}"));
        let (what, step) = text.split_once('@').ok_or_else(wrong)?;
        let again = match what {
            "lose-device" => false,
            "lose-every-device" => true,
            _ => return Err(wrong()),
        };
        Ok(Self { lose_device_at: Some(step.parse().map_err(|_| wrong())?), again })
    }

    /// Injects the fault for `step` completed steps, if any.
    pub fn after_step(&mut self, gpu: &Gpu, step: u32) {
        if self.lose_device_at.is_some_and(|at| step >= at) {
            gpu.device().destroy();
            self.lose_device_at = self.lose_device_at.filter(|_| self.again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fault_is_refused() {
        for right in ["lose-device@0", "lose-device@63", "lose-every-device@5"] {
            assert!(Faults::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", "lose-device", "lose-device@", "lose-device@x", "lose-device@-1", "drop-device@3", "@3"] {
            assert!(Faults::parse(wrong).is_err(), "{wrong}");
        }
    }
}
