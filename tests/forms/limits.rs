//! How long sequences may be: what is longer is refused with numbers, before anything runs.

use aft_wgpu::Error;
use aft_wgpu::check::problem;
use aft_wgpu::form::SizedForm;
use aft_wgpu::gpu::{Gpu, Page, Placement};
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases};
use aft_wgpu::ops::aft::dense::Rowed;
use aft_wgpu::ops::aft::mix::{self, Backward, Mix, Mixed};
use aft_wgpu::ops::aft::{qkv_cols, taps::Taps};
use aft_wgpu::ops::{Builder, Gradient};
use aft_wgpu::reference::Dims;
use libtest_mimic::Trial;

use crate::common::*;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "limits::no_form_goes_beyond_131072", any_form),
        trial(gpu, "limits::full_goes_to_126012", all_pairs),
        trial(gpu, "limits::rows_of_a_grid_and_the_kernel_on_it_end_with_a_loop", grids),
        trial(gpu, "limits::a_window_one_short_of_all_fits_as_all_do", nearly_all),
    ]
}

/// A row of AFT-full walks over all keys, and a loop has its limit. Both passes are prepared, not run.
fn all_pairs(gpu: &Gpu) {
    for (t, fits) in [(126_000, true), (126_012, true), (126_021, false), (131_072, false)] {
        for causal in [true, false] {
            let b = &mut Builder::new(gpu, Placement::Buffer);
            let mix = Mix { batch: 1, time: t, channels: 4, causal, gated: true, mask: None };
            let page = Page::new(gpu, "factors", 32 * u64::from(t) + 512, Placement::Buffer).unwrap();
            let [u, v] = [0, (16 * u64::from(t)).next_multiple_of(256)].map(|offset| page.tensor(offset, t, 1));
            let gradients = gpu.storage("gradients", page.buffer.size()).unwrap();
            let dfactors = Gradient::of(&gradients, &u, Some(&v), false).unwrap();
            let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, t, qkv_cols(4)).unwrap());
            let (dy, out) = (b.plane("dy", t, 4).unwrap(), Mixed::new(b, &mix, true).unwrap());
            let biases = Biases::Factors { u: &u, v: &v, window: u32::MAX };
            let dbiases = Some(BiasGradient::Factors(&dfactors));
            let args = Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases };
            let passes = [mix::forward(b, &mix, &biases, &qkv, &out), mix::backward(b, &mix, &biases, &args)];
            passes.into_iter().for_each(|pass| assert_fits(pass, fits, &format!("{t}")));
        }
    }
}

/// A thread walks over the taps of four positions, and over rows of the grid outside of them. Both passes are prepared, not run.
fn grids(gpu: &Gpu) {
    for ([rows, columns], size, fits) in [
        // The longest sequence, and one position more.
        ([131_072, 1], 3, true),
        ([256, 512], 7, true),
        ([131_073, 1], 3, false),
        ([1, 131_072], 3, true),
        ([2, 65_536], 3, true),
        ([1, 131_073], 3, false),
        // Taps, as many as there are positions and more, or not all of them.
        ([64, 64], 127, true),
        ([64, 64], 201, true),
        ([4096, 1], 4095, true),
        ([1, 4096], 4095, true),
        ([400, 300], 41, true),
        ([400, 300], 151, true),
        ([512, 256], 175, true),
        ([1, 131_072], 5001, true),
        // More than a loop walks over, with three columns around four positions and what a row of them costs.
        ([300, 300], 255, false),
        ([200, 200], 399, false),
    ] {
        for causal in [true, false] {
            let (b, t) = (&mut Builder::new(gpu, Placement::Buffer), rows * columns);
            let mix = Mix { batch: 1, time: t, channels: 4, causal, gated: true, mask: None };
            let bytes = 4 * (u64::from(size) * u64::from(size)).next_multiple_of(4);
            let [values, gradients] = ["taps", "gradients"].map(|name| gpu.storage(name, bytes).unwrap());
            let taps = Taps { values: &values, heads: 1, size, grid: Some(columns) };
            let dtaps = Gradient::whole(&gradients, (bytes / 16) as u32);
            let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, t, qkv_cols(4)).unwrap());
            let (dy, out) = (b.plane("dy", t, 4).unwrap(), Mixed::new(b, &mix, true).unwrap());
            let biases = Biases::Taps(taps);
            let args =
                Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases: Some(BiasGradient::Taps(&dtaps)) };
            let passes = [mix::forward(b, &mix, &biases, &qkv, &out), mix::backward(b, &mix, &biases, &args)];
            let what = format!("{rows} x {columns}, S = {size}, causal: {causal}");
            passes.into_iter().for_each(|pass| assert_fits(pass, fits, &what));
        }
    }
}

fn assert_fits(pass: aft_wgpu::Result<()>, fits: bool, what: &str) {
    match pass {
        Ok(()) => assert!(fits, "{what}"),
        Err(Error::LimitExceeded { needed, granted, .. }) => assert!(!fits && needed > granted, "{what}"),
        Err(other) => panic!("{what}: {other}"),
    }
}

/// No form is longer than 131,072.
fn any_form(gpu: &Gpu) {
    let dims = Dims { b: 1, t: 131_073, d: 1 };
    for causal in [true, false] {
        for form in [SizedForm::Simple, SizedForm::Local(5, RANK_1), SizedForm::Full(RANK_1), SizedForm::Conv1d(5)] {
            match pollster::block_on(problem(form, dims, 1, causal).run(gpu, Placement::Buffer)) {
                Err(Error::LimitExceeded { needed, granted, .. }) => assert!(needed > granted, "{form:?}"),
                other => panic!("{form:?}: {other:?}"),
            }
        }
    }
}

/// Columns that slide with the rows would be more than all keys, and a plane of them more than a binding of the floor.
fn nearly_all(gpu: &Gpu) {
    let time = 4096;
    for window in [time - 1, time] {
        let b = &mut Builder::new(gpu, Placement::Buffer);
        let mix = Mix { batch: 1, time, channels: 4, causal: false, gated: true, mask: None };
        let columns = 2 * window - 1;
        let [w, dw] = ["w", "dw"].map(|name| gpu.sliced(name, 4 * u64::from(time) * u64::from(columns)).unwrap());
        let [w, dw] = [&w, &dw].map(|buffer| Rowed { buffer, offset_bytes: 0, columns, stride: columns });
        let page = Page::new(gpu, "factors", 32 * u64::from(time), Placement::Buffer).unwrap();
        let [u, v] = [0, 16 * u64::from(time)].map(|offset| page.tensor(offset, time, 1));
        let gradients = gpu.storage("gradients", page.buffer.size()).unwrap();
        let dfactors = Gradient::of(&gradients, &u, Some(&v), false).unwrap();
        let [qkv, dqkv] = ["qkv", "dqkv"].map(|name| b.plane(name, time, qkv_cols(4)).unwrap());
        let (dy, out) = (b.plane("dy", time, 4).unwrap(), Mixed::new(b, &mix, true).unwrap());
        for (biases, dbiases) in [
            (Biases::Factors { u: &u, v: &v, window }, BiasGradient::Factors(&dfactors)),
            (Biases::Band { w, window }, BiasGradient::Dense(dw, false)),
        ] {
            let args = Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases: Some(dbiases) };
            mix::forward(b, &mix, &biases, &qkv, &out).unwrap();
            mix::backward(b, &mix, &biases, &args).unwrap();
        }
    }
}
