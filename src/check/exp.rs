//! Measures the accuracy of an adapter's exponential (`shaders/check/exp.wgsl`). Every AFT kernel depends on it, and drivers
//! differ.

use serde::Serialize;

use crate::error::Result;
use crate::gpu::{Array, Call, Cost, Gpu, Kernel, Placement, Recorder, Specialization, kernel};
use crate::ops::Builder;
use crate::random::{pcg4d, unit};

kernel! {
    /// `shaders/check/exp.wgsl`.
    struct ExpKernel = "check/exp", "exponential";
    fragments: ["grid"],
    params: { vec4s: u32 },
    operands: {
        read x: Array<'a, [f32; 4]> = "[N]",
        write y: Array<'a, [f32; 4]> = "[N]",
    },
}

/// Error bound of an adapter's exp: relative error base + slope |x|.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ExpError {
    /// Relative error at 0.
    pub base: f64,
    /// Additional relative error for each nat of |x|.
    pub slope: f64,
}

impl ExpError {
    /// The bound that Vulkan requires, (3 + 2 |x|) ulp.
    pub const VULKAN: Self = Self { base: 3.0 * f32::EPSILON as f64, slope: 2.0 * f32::EPSILON as f64 };

    /// Relative error bound at `x`.
    pub fn at(self, x: f64) -> f64 {
        self.base + self.slope * x.abs()
    }

    /// The bound, limited to Vulkan's: a worse exponential is no excuse.
    pub fn excused(self) -> Self {
        Self { base: self.base.min(Self::VULKAN.base), slope: self.slope.min(Self::VULKAN.slope) }
    }
}

/// Result of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exponential {
    /// Bound on the measured errors.
    #[serde(flatten)]
    pub error: ExpError,
    /// The largest error in units of Vulkan's bound, (3 + 2 |x|) ulp.
    pub of_vulkan: f64,
    /// The argument with that error.
    pub at: f32,
}

/// Number of tested arguments in [-80, 0]: multiples of 1/64, and as many random ones.
const SAMPLES: usize = 2 * 80 * 64;

impl Exponential {
    /// Measures an adapter.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
    pub async fn measure(gpu: &Gpu) -> Result<Self> {
        let x: Vec<f32> = (0..SAMPLES)
            .map(|i| {
                if i % 2 == 0 {
                    -(i as f32) / 128.0
                } else {
                    -80.0 * unit(pcg4d([1, 0x6578_7000, i as u32, 0])[0]) as f32
                }
            })
            .collect();
        let operand = gpu.upload("exp x", &x)?;
        let result = gpu.upload("exp y", &vec![f32::NAN; x.len()])?;
        let b = &mut Builder::new(gpu, Placement::Buffer);
        let call = ExpKernel { vec4s: (x.len() / 4) as u32, x: (&operand).into(), y: (&result).into() };
        let cost = Cost { flops: 10.0 * x.len() as f64, bytes: 8.0 * x.len() as f64 };
        let groups = u64::from(call.vec4s.div_ceil(64));
        gpu.checked("preparing the exponential", || b.run(&call, &b.special(), groups, cost)).await?;
        let mut recorder = Recorder::new(gpu);
        recorder.run(&b.take_program()).await?;
        recorder.finish().await?;
        let y: Vec<f32> = gpu.read(&result, 0, 4 * x.len() as u64).await?;
        Ok(Self::of(&x, &y))
    }

    /// Fits the bound to `y`, the computed exponentials of `x`.
    fn of(x: &[f32], y: &[f32]) -> Self {
        let errors = x.iter().zip(y).map(|(&x, &y)| {
            let truth = f64::from(x).exp();
            let error = ((f64::from(y) - truth) / truth).abs();
            // NaN counts as an infinite error.
            (f64::from(x).abs(), if error.is_nan() { f64::INFINITY } else { error })
        });
        let mut this = Self { error: ExpError { base: 0.0, slope: 0.0 }, of_vulkan: 0.0, at: 0.0 };
        for (size, error) in errors.clone() {
            if size <= 1.0 {
                this.error.base = this.error.base.max(error);
            }
            let ratio = error / ExpError::VULKAN.at(size);
            if ratio > this.of_vulkan {
                (this.of_vulkan, this.at) = (ratio, -size as f32);
            }
        }
        for (size, error) in errors.filter(|(size, _)| *size > 1.0) {
            this.error.slope = this.error.slope.max((error - this.error.base) / size);
        }
        this
    }

    /// Whether the error is within Vulkan's bound, which WebGPU shares.
    pub fn conforms(&self) -> bool {
        self.of_vulkan <= 1.0
    }
}

/// The kernel, for the tests that compile all kernels.
pub(crate) fn catalogue() -> Vec<(&'static Kernel, Specialization)> {
    vec![(ExpKernel::KERNEL, Specialization::new(Placement::Buffer))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_what_was_seen() {
        let x: Vec<f32> = (0..800).map(|i| -(i as f32) / 10.0).collect();
        let off = |x: f32| 1e-7 + 3e-8 * f64::from(x).abs();
        let y: Vec<f32> = x.iter().map(|&x| (f64::from(x).exp() * (1.0 + off(x))) as f32).collect();
        let Exponential { error: ExpError { base, slope }, .. } = Exponential::of(&x, &y);
        assert!((1e-7..3e-7).contains(&base) && (2e-8..5e-8).contains(&slope), "{base} {slope}");
        assert!(Exponential::of(&x, &y).conforms());
    }

    #[test]
    fn an_exp_that_is_none_is_found() {
        let x = [-0.5f32, -20.0];
        let y = x.map(f32::exp);
        assert!(Exponential::of(&x, &y).conforms());
        let wrong = Exponential::of(&x, &[y[0], 1.001 * y[1]]);
        assert!(!wrong.conforms() && wrong.at == -20.0);
        assert!(!Exponential::of(&x, &[y[0], f32::NAN]).conforms());
    }
}
