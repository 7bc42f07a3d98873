//! `nn/adamw`: a hundred steps against the reference, steps that are skipped, and pages past a grid's width.

use aft_wgpu::gpu::{Buffer, Gpu, Page, Placement};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::nn::adamw::{Hyper, Update, update};
use aft_wgpu::ops::nn::train_state::TrainState;
use aft_wgpu::reference::nn::adamw as reference;
use libtest_mimic::Trial;

use crate::common::*;
use crate::trial;

const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
const LR: f32 = 1e-2;
const EPS: f64 = f32::EPSILON as f64;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "adamw::a_hundred_steps", |gpu| {
            for vec4s in [1, 63, 257, 1000] {
                for placement in PLACEMENTS {
                    follow(gpu, placement, vec4s, 1.0);
                }
            }
        }),
        trial(gpu, "adamw::tiny_and_huge_gradients", |gpu| {
            for scale in [0.0, 1e-12, 1e-8, 1e8, 1e15] {
                follow(gpu, Placement::Buffer, 70, scale);
            }
        }),
        trial(gpu, "adamw::a_skipped_step_changes_no_bit", a_skipped_step_changes_no_bit),
        trial(gpu, "adamw::a_page_past_the_width_of_a_grid", a_page_past_the_width_of_a_grid),
        trial(gpu, "adamw::settings_are_checked", |gpu| {
            let pages = Pages::new(gpu, Placement::Buffer, 4);
            let b = &mut Builder::new(gpu, Placement::Buffer);
            for eps in [0.0, -1.0, f32::NAN] {
                assert!(update(b, &pages.args(2, Hyper { eps, ..HYPER })).is_err(), "{eps} passes");
            }
            for vec4s in [0, 1000] {
                assert!(update(b, &Update { vec4s, ..pages.args(2, HYPER) }).is_err(), "{vec4s} vec4s pass");
            }
        }),
    ]
}

struct Pages {
    param: Page,
    grad: Buffer,
    m: Buffer,
    v: Buffer,
    state: Buffer,
    vec4s: u32,
}

impl Pages {
    /// Zeroed pages, with room behind the tensors.
    fn new(gpu: &Gpu, placement: Placement, vec4s: u32) -> Self {
        let bytes = 16 * u64::from(vec4s) + 256;
        let param = Page::new(gpu, "param", bytes, placement).unwrap();
        let page = |label| gpu.storage(label, bytes).unwrap();
        let state = gpu.upload("state", &[TrainState::new(1)]).unwrap();
        Self { param, grad: page("grad"), m: page("m"), v: page("v"), state, vec4s }
    }

    fn args(&self, decayed: u32, hyper: Hyper) -> Update<'_> {
        let Self { param, grad, m, v, state, vec4s } = self;
        Update { param, grad, m, v, vec4s: *vec4s, decayed, state, hyper }
    }

    /// Runs one update on `grad`.
    fn step(&self, b: &mut Builder, decayed: u32, grad: &[f32], state: TrainState) {
        b.gpu.write(&self.grad, 0, bytemuck::cast_slice(grad)).unwrap();
        b.gpu.write(&self.state, 0, bytemuck::bytes_of(&state)).unwrap();
        update(b, &self.args(decayed, HYPER)).unwrap();
        run(b);
    }

    fn read(&self, gpu: &Gpu) -> [Vec<f32>; 3] {
        [&self.param.buffer, &self.m, &self.v].map(|page| {
            let bytes = 16 * u64::from(self.vec4s);
            let behind: Vec<f32> = pollster::block_on(gpu.read(page, bytes, 256)).unwrap();
            assert!(behind.iter().all(|v| *v == 0.0), "a store behind the page");
            pollster::block_on(gpu.read(page, 0, bytes)).unwrap()
        })
    }
}

fn state(updates: u32, clip: f32) -> TrainState {
    let correction = |beta: f32| (1.0 - f64::from(beta).powf(f64::from(updates))) as f32;
    TrainState {
        lr: LR,
        clip,
        finite: 1,
        correction1: correction(HYPER.beta1),
        correction2: correction(HYPER.beta2),
        ..TrainState::new(1)
    }
}

fn follow(gpu: &Gpu, placement: Placement, vec4s: usize, scale: f32) {
    let (len, decayed, clip) = (4 * vec4s, vec4s / 3, 0.75);
    let hyper = reference::Hyper {
        lr: LR.into(),
        beta1: HYPER.beta1.into(),
        beta2: HYPER.beta2.into(),
        eps: HYPER.eps.into(),
        weight_decay: HYPER.weight_decay.into(),
    };
    let plain = reference::Hyper { weight_decay: 0.0, ..hyper };
    let pages = Pages::new(gpu, placement, vec4s as u32);
    let start = normal(1, len);
    gpu.write(&pages.param.buffer, 0, bytemuck::cast_slice(&start)).unwrap();
    let b = &mut Builder::new(gpu, placement);
    let mut expected = reference::Update { param: f64s(&start), m: vec![0.0; len], v: vec![0.0; len] };
    for step in 1..=100 {
        let grad: Vec<f32> = normal(step + 1, len).iter().map(|g| scale * g).collect();
        pages.step(b, decayed as u32, &grad, state(step, clip));
        let grad = f64s(&grad);
        let at = 4 * decayed;
        let reference::Update { param, m, v } = &expected;
        let part = |hyper, range: std::ops::Range<usize>| {
            let s = |values: &[f64]| values[range.clone()].to_vec();
            reference::step(hyper, step, f64::from(clip), &s(param), &s(&grad), &s(m), &s(v))
        };
        let (first, second) = (part(&hyper, 0..at), part(&plain, at..len));
        expected = reference::Update {
            param: [first.param, second.param].concat(),
            m: [first.m, second.m].concat(),
            v: [first.v, second.v].concat(),
        };
    }
    let [param, m, v] = pages.read(gpu);
    let what = |name: &str| format!("{name} {placement:?}, {vec4s} vec4s, scale {scale}");
    // The moments forget: 1 / (1 - beta) roundings of their largest value. The square of 1e-23 is not held by an f32.
    assert_close(&what("m"), &m, &expected.m, EPS * 10.0 * max_abs(&expected.m));
    assert_close(&what("v"), &v, &expected.v, EPS * 20.0 * max_abs(&expected.v) + 2e-38);
    // Each step rounds the parameter, of magnitude at most 5, and a move of lr to some units.
    assert_close(&what("param"), &param, &expected.param, 100.0 * EPS * (2.5 + 16.0 * f64::from(LR)));
}

fn a_skipped_step_changes_no_bit(gpu: &Gpu) {
    for placement in PLACEMENTS {
        let pages = Pages::new(gpu, placement, 100);
        let b = &mut Builder::new(gpu, placement);
        gpu.write(&pages.param.buffer, 0, bytemuck::cast_slice(&normal(1, 400))).unwrap();
        pages.step(b, 40, &normal(2, 400), state(1, 1.0));
        let before = pages.read(gpu);
        let mut grad = normal(3, 400);
        grad[123] = f32::NAN;
        pages.step(b, 40, &grad, TrainState { finite: 0, ..state(2, 1.0) });
        let bits = |all: [Vec<f32>; 3]| all.map(|values| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>());
        assert_eq!(bits(pages.read(gpu)), bits(before), "{placement:?}");
    }
}

/// 65,535 groups of 256 vec4s fill one dimension of a grid; the last groups lie past it.
fn a_page_past_the_width_of_a_grid(gpu: &Gpu) {
    let vec4s = 65_535 * 256 + 300;
    if 16 * u64::from(vec4s) + 256 > gpu.caps().limits.max_storage_buffer_binding_size {
        return;
    }
    let pages = Pages::new(gpu, Placement::Buffer, vec4s);
    let b = &mut Builder::new(gpu, Placement::Buffer);
    gpu.write(&pages.state, 0, bytemuck::bytes_of(&state(1, 1.0))).unwrap();
    let sampled = [0, 255, 256, 65_534 * 256, 65_535 * 256 - 1, 65_535 * 256, vec4s - 1];
    for i in sampled {
        gpu.write(&pages.grad, 16 * u64::from(i), bytemuck::cast_slice(&[1.0f32; 4])).unwrap();
    }
    update(b, &pages.args(0, HYPER)).unwrap();
    run(b);
    for i in sampled {
        let param: Vec<f32> = pollster::block_on(gpu.read(&pages.param.buffer, 16 * u64::from(i), 16)).unwrap();
        // The first step of a constant gradient moves by lr.
        assert_close(&format!("vec4 {i}"), &param, &[-f64::from(LR); 4], 1e-6 * f64::from(LR));
    }
}
