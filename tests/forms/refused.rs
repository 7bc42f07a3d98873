//! Layers that are none, and operands that do not fit: refused before anything is made.

use aft_wgpu::apply::Problem;
use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, Placement, Plane, Weights};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases};
use aft_wgpu::ops::aft::dense::Rowed;
use aft_wgpu::ops::aft::mix::{self, Backward, Mix, Mixed};
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::reference::Dims;
use aft_wgpu::{Error, Result, ops};
use libtest_mimic::Trial;

use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "refused::sizes_that_kernels_cannot_count", |_| sizes()),
        trial(gpu, "refused::a_layer_without_elements", |gpu| {
            for (b, t, d) in [(0, 4, 4), (4, 0, 4), (4, 4, 0)] {
                assert!(matches!(empty(SizedForm::Simple, b, t, d).check(), Err(Error::Config(_))), "{b}, {t}, {d}");
                let mix = Mix { batch: b as u32, time: t as u32, channels: d as u32, ..MIX };
                let result = Operands::new(gpu).forward(&mix, &Biases::None);
                assert!(matches!(result, Err(Error::Config(_))), "{b}, {t}, {d}: {result:?}");
            }
        }),
        trial(gpu, "refused::more_rows_than_32_bits_count", |gpu| {
            let mix = Mix { batch: 1 << 16, time: 1 << 16, ..MIX };
            match Operands::new(gpu).forward(&mix, &Biases::None) {
                Err(Error::LimitExceeded { needed, granted, .. }) => {
                    assert_eq!((needed, granted), (1 << 32, (1 << 32) - 1))
                }
                other => panic!("{other:?}"),
            }
        }),
        trial(gpu, "refused::a_gradient_of_biases_that_none_reads", no_window),
        trial(gpu, "refused::columns_of_other_biases", columns),
        trial(gpu, "refused::factors_of_no_rank", no_rank),
    ]
}

/// A layer of any size, whose tensors hold nothing.
fn empty(form: SizedForm, b: usize, t: usize, d: usize) -> Problem {
    let dims = Dims { b, t, d };
    let (q, k, v, w) = Default::default();
    Problem { dims, heads: 1, form, causal: true, gated: true, q, k, v, w, mask: None, dy: None }
}

/// The largest size fails by its tensors, which have no elements; one more by itself.
fn sizes() {
    const LARGEST: usize = 1 << 28;
    let over = LARGEST + 1;
    let layers = |n: usize| {
        [
            empty(SizedForm::Simple, n, 1, 1),
            empty(SizedForm::Simple, 1, n, 1),
            empty(SizedForm::Simple, 1, 1, n),
            empty(SizedForm::Local(n, Bias::Factors(1)), 1, 1, 1),
            empty(SizedForm::Local(n, Bias::Dense), 1, 1, 1),
            empty(SizedForm::Conv1d(n), 1, 1, 1),
        ]
    };
    for (fits, beyond) in layers(LARGEST).into_iter().zip(layers(over)) {
        assert!(matches!(fits.check(), Err(Error::Shape { .. })), "{:?}", fits.form);
        match beyond.check() {
            Err(Error::LimitExceeded { needed, granted, .. }) => {
                assert_eq!([needed, granted], [over, LARGEST].map(|n| n as u64), "{:?}", beyond.form);
            }
            other => panic!("{:?} {:?}: {other:?}", beyond.form, beyond.dims),
        }
    }
    // A product that wraps to few rows.
    let wraps = empty(SizedForm::Simple, 1 << 63, 2, 1);
    assert!(matches!(wraps.check(), Err(Error::LimitExceeded { .. })));
}

/// What every test here mixes: 6 positions of 4 channels, causal.
const MIX: Mix<'static> = Mix { batch: 1, time: 6, channels: 4, causal: true, gated: true, mask: None };

/// Operands of [`MIX`].
struct Operands {
    b: Builder,
    qkv: Plane,
    out: Mixed,
    dy: Plane,
    dqkv: Plane,
}

impl Operands {
    fn new(gpu: &Gpu) -> Self {
        let b = &mut Builder::new(gpu, Placement::Buffer);
        let out = Mixed::new(b, &MIX, true).unwrap();
        let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, 6, qkv_cols(4)).unwrap());
        let dy = b.plane("dy", 6, 4).unwrap();
        Self { b: Builder::new(gpu, Placement::Buffer), qkv, out, dy, dqkv }
    }

    fn forward(&mut self, mix: &Mix<'_>, biases: &Biases<'_>) -> Result<()> {
        mix::forward(&mut self.b, mix, biases, &self.qkv, &self.out)
    }

    fn backward(&mut self, biases: &Biases<'_>, target: BiasGradient<'_>) -> Result<()> {
        let Self { b, qkv, out, dy, dqkv } = self;
        let args = Backward { qkv, out, dy, dqkv, dbiases: Some(target) };
        mix::backward(b, &MIX, biases, &args)
    }
}

fn no_window(gpu: &Gpu) {
    let (operands, buffer) = (&mut Operands::new(gpu), gpu.storage("biases", 4096).unwrap());
    let w = Rowed { buffer: &buffer, offset_bytes: 0, columns: 0, stride: 1 };
    let result = operands.backward(&Biases::Band { w, window: 0 }, BiasGradient::Dense(w, false));
    assert!(matches!(result, Err(Error::Config(_))), "{result:?}");

    let page = aft_wgpu::gpu::Page::new(gpu, "factors", 1024, Placement::Buffer).unwrap();
    let [u, v] = [0, 512].map(|offset| page.tensor(offset, 6, 4));
    let target = ops::Gradient::of(&buffer, &u, Some(&v), false).unwrap();
    let factors = |window| Biases::Factors { u: &u, v: &v, window };
    let result = operands.backward(&factors(0), BiasGradient::Factors(&target));
    assert!(matches!(result, Err(Error::Config(_))), "{result:?}");
    operands.backward(&factors(1), BiasGradient::Factors(&target)).unwrap();
    // Of another kind, and of factors of another shape.
    let result = operands.backward(&factors(1), BiasGradient::Dense(w, false));
    assert!(matches!(result, Err(Error::Config(_))), "{result:?}");
    let wide: [Weights; 2] = [0, 512].map(|offset| page.tensor(offset, 6, 8));
    let target = ops::Gradient::of(&buffer, &wide[0], Some(&wide[1]), false).unwrap();
    assert_shape(operands.backward(&factors(1), BiasGradient::Factors(&target)));
}

fn columns(gpu: &Gpu) {
    let (operands, buffer) = (&mut Operands::new(gpu), gpu.storage("biases", 4096).unwrap());
    let rowed = |columns| Rowed { buffer: &buffer, offset_bytes: 0, columns, stride: 16 };
    let band = |columns| Biases::Band { w: rowed(columns), window: 3 };
    operands.forward(&MIX, &band(3)).unwrap();
    operands.forward(&Mix { causal: false, ..MIX }, &band(5)).unwrap();
    for (causal, wrong) in [(true, 2), (true, 4), (true, 5), (false, 3), (false, 4), (false, 6)] {
        assert_shape(operands.forward(&Mix { causal, ..MIX }, &band(wrong)));
    }
    // Of AFT-full a shorter sequence reads a corner.
    operands.forward(&MIX, &Biases::Full(rowed(7))).unwrap();
    assert_shape(operands.forward(&MIX, &Biases::Full(rowed(5))));
    for biases in [band(3), Biases::Full(rowed(6))] {
        for wrong in [2, 4, 7] {
            assert_shape(operands.backward(&biases, BiasGradient::Dense(rowed(wrong), false)));
        }
    }
    operands.backward(&band(3), BiasGradient::Dense(rowed(3), false)).unwrap();
    // Rows that overlap.
    let narrow = |columns| Rowed { stride: columns - 1, ..rowed(columns) };
    assert_shape(operands.forward(&MIX, &Biases::Band { w: narrow(3), window: 3 }));
    assert_shape(operands.forward(&MIX, &Biases::Full(narrow(6))));
    assert_shape(operands.backward(&band(3), BiasGradient::Dense(narrow(3), false)));
    assert_shape(operands.backward(&Biases::Full(rowed(6)), BiasGradient::Dense(narrow(6), false)));
}

fn no_rank(gpu: &Gpu) {
    let page = aft_wgpu::gpu::Page::new(gpu, "factors", 1024, Placement::Buffer).unwrap();
    let [u, v] = [0, 512].map(|offset| page.tensor(offset, 6, 0));
    for window in [3, u32::MAX] {
        let result = Operands::new(gpu).forward(&MIX, &Biases::Factors { u: &u, v: &v, window });
        assert!(matches!(result, Err(Error::Config(_))), "{result:?}");
    }
}

fn assert_shape(result: Result<()>) {
    assert!(matches!(result, Err(Error::Shape { .. })), "{result:?}");
}
