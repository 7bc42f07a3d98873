//! How much memory a layer takes beside its inputs, its outputs and the biases.

use aft_wgpu::form::{Bias, SizedForm};
use aft_wgpu::gpu::{Gpu, GpuOptions, Page, Placement, Tuning, Weights};
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases};
use aft_wgpu::ops::aft::dense::Rowed;
use aft_wgpu::ops::aft::mix::{self, Backward, Mix, Mixed};
use aft_wgpu::ops::aft::{qkv_cols, taps::Taps};
use aft_wgpu::ops::{Builder, Gradient};
use libtest_mimic::Trial;

use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    let trial = |name: &str, check: fn(&Gpu)| {
        // The plans for processors and for GPUs. Nobody else writes to the ledger of these devices.
        trial(gpu, format!("memory::{name}"), move |_| {
            for tuning in Tuning::ALL {
                let floor = GpuOptions { floor: true, ..Default::default() };
                check(&Gpu::request_blocking(&floor).unwrap().with_tuning(tuning));
            }
        })
    };
    vec![
        trial("scratch_of_every_form_is_six_planes", |gpu| {
            let grids = [1, 2, 40, 1000].map(|columns| SizedForm::Conv2d(7, columns));
            for form in [SizedForm::Simple, SizedForm::Conv1d(15)].into_iter().chain(grids) {
                check(gpu, form, [4, 1000, 128]);
            }
            for bias in BIASES {
                check(gpu, SizedForm::Full(bias), [4, 1000, 128]);
                check(gpu, SizedForm::Local(32, bias), [4, 1000, 128]);
            }
        }),
        // Of a single sequence of few channels, panels of biases are most of it.
        trial("scratch_of_full_holds_no_array_of_all_pairs", |gpu| {
            for (time, channels) in SIZES {
                BIASES.into_iter().for_each(|bias| check(gpu, SizedForm::Full(bias), [1, time, channels]));
            }
        }),
        trial("scratch_of_local_holds_no_array_of_a_window", |gpu| {
            for (time, channels) in SIZES {
                for window in [32, 128, 1000, time as usize - 1] {
                    BIASES.into_iter().for_each(|bias| check(gpu, SizedForm::Local(window, bias), [1, time, channels]));
                }
            }
        }),
    ]
}

/// T and D.
const SIZES: [(u32, u32); 5] = [(1000, 4), (2000, 4), (1500, 64), (2000, 64), (1000, 512)];

const BIASES: [Bias; 2] = [Bias::Dense, Bias::Factors(16)];

/// Prepares both passes of a layer, causal and not.
fn check(gpu: &Gpu, form: SizedForm, [batch, time, channels]: [u32; 3]) {
    for causal in [true, false] {
        let mix = Mix { batch, time, channels, causal, gated: true, mask: None };
        let scratch = scratch(gpu, form, &mix);
        let rows = u64::from(batch) * u64::from(time);
        let floats = 6 * rows * u64::from(channels.next_multiple_of(4)) + 64 * u64::from(time);
        let [w, _] = form.bias_shapes(time as usize, 4, causal);
        let again = if matches!(form, SizedForm::Full(Bias::Dense) | SizedForm::Local(_, Bias::Dense)) {
            w[0] * w[1]
        } else {
            0
        };
        let most = 4 * (floats + again as u64) + (1 << 20);
        let what = format!("{form:?}, B, T, D = {batch}, {time}, {channels}, causal: {causal}");
        assert!(scratch <= most, "{what}, {:?}: {scratch} bytes of scratch, bound {most}", gpu.tuning().target);
    }
}

/// Bytes that both passes take beside what is handed to them. A builder keeps what it has made.
fn scratch(gpu: &Gpu, form: SizedForm, mix: &Mix<'_>) -> u64 {
    let Mix { time, channels, causal, .. } = *mix;
    let b = &mut Builder::new(gpu, Placement::Buffer);
    let [[rows, cols], _] = form.bias_shapes(time as usize, 4, causal).map(|shape| shape.map(|n| n as u32));
    let bytes = Weights::padded_bytes(rows, cols).next_multiple_of(256).max(256);
    let page = Page::new(gpu, "w", 2 * bytes, Placement::Buffer).unwrap();
    let gradients = gpu.storage("dw", 2 * bytes).unwrap();
    let [u, v] = [0, bytes].map(|offset| page.tensor(offset, rows, cols));
    let factors = Gradient::of(&gradients, &u, Some(&v), false).unwrap();
    let [w, dw] = [&page.buffer, &gradients].map(|buffer| Rowed { buffer, ..Rowed::from(&u) });
    let grid = if let SizedForm::Conv2d(_, columns) = form { Some(columns as u32) } else { None };
    let of_taps = Gradient::whole(&gradients, 4 * cols.div_ceil(4));
    let (biases, dbiases) = match form {
        SizedForm::Simple => (Biases::None, None),
        SizedForm::Full(Bias::Dense) => (Biases::Full(w), Some(BiasGradient::Dense(dw, false))),
        SizedForm::Local(s, Bias::Dense) => {
            (Biases::Band { w, window: s as u32 }, Some(BiasGradient::Dense(dw, false)))
        }
        SizedForm::Full(Bias::Factors(_)) => {
            (Biases::Factors { u: &u, v: &v, window: u32::MAX }, Some(BiasGradient::Factors(&factors)))
        }
        SizedForm::Local(s, Bias::Factors(_)) => {
            (Biases::Factors { u: &u, v: &v, window: s as u32 }, Some(BiasGradient::Factors(&factors)))
        }
        SizedForm::Conv1d(s) | SizedForm::Conv2d(s, _) => {
            let taps = Taps { values: &page.buffer, heads: 4, size: s as u32, grid };
            (Biases::Taps(taps), Some(BiasGradient::Taps(&of_taps)))
        }
    };
    let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, mix.batch * time, qkv_cols(channels)).unwrap());
    let (dy, out) = (b.plane("dy", mix.batch * time, channels).unwrap(), Mixed::new(b, mix, true).unwrap());
    let before = gpu.memory().live_bytes;
    mix::forward(b, mix, &biases, &qkv, &out).unwrap();
    let args = Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases };
    mix::backward(b, mix, &biases, &args).unwrap();
    gpu.memory().live_bytes - before
}
