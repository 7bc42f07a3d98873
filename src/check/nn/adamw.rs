//! AdamW updates of a page of parameters.

use super::compare::{Case, EPS, largest, verdict, wide};
use crate::check::cases::normal;
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::gpu::Page;
use crate::ops::nn::adamw::{Hyper, Update, update};
use crate::ops::nn::train_state::TrainState;
use crate::reference::nn::adamw as reference;

const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.95, eps: 1e-8, weight_decay: 0.1 };
const LR: f32 = 1e-2;
const CLIP: f32 = 0.75;
const STEPS: u32 = 10;

pub(super) async fn cases(bench: &mut Bench) -> Result<Vec<Case>> {
    let vec4s = 257;
    let len = 4 * vec4s;
    let hyper = reference::Hyper {
        lr: LR.into(),
        beta1: HYPER.beta1.into(),
        beta2: HYPER.beta2.into(),
        eps: HYPER.eps.into(),
        weight_decay: HYPER.weight_decay.into(),
    };
    let start = normal(1, len);
    let param = Page::new(&bench.b.gpu, "param", 4 * len as u64, bench.b.placement)?;
    bench.b.gpu.write(&param.buffer, 0, bytemuck::cast_slice(&start))?;
    let zero = vec![0.0; len];
    let [grad, m, v] = [bench.buffer(&zero)?, bench.buffer(&zero)?, bench.buffer(&zero)?];
    let state = bench.b.gpu.upload("state", &[TrainState::new(1)])?;
    let vec4s = vec4s as u32;
    let args = Update { param: &param, grad: &grad, m: &m, v: &v, vec4s, decayed: vec4s, state: &state, hyper: HYPER };
    update(&mut bench.b, &args)?;
    let program = bench.b.take_program();
    let mut truth = reference::Update { param: wide(&start), m: wide(&zero), v: wide(&zero) };
    for step in 1..=STEPS {
        let values = normal(step + 1, len);
        let correction = |beta: f32| (1.0 - f64::from(beta).powf(f64::from(step))) as f32;
        let (correction1, correction2) = (correction(HYPER.beta1), correction(HYPER.beta2));
        let now = TrainState { lr: LR, clip: CLIP, finite: 1, correction1, correction2, ..TrainState::new(1) };
        bench.b.gpu.write(&grad, 0, bytemuck::cast_slice(&values))?;
        bench.b.gpu.write(&state, 0, bytemuck::bytes_of(&now))?;
        bench.b.program = program.clone();
        bench.run().await?;
        let reference::Update { param, m, v } = &truth;
        truth = reference::step(&hyper, step, CLIP.into(), param, &wide(&values), m, v);
    }
    // Rounding errors decay: a moment has 1 / (1 - beta) roundings of its largest value. A step rounds the parameter and a move
    // of lr.
    let param_tolerance = f64::from(STEPS) * EPS * (2.5 + 16.0 * f64::from(LR));
    Ok(vec![(
        format!("{STEPS} steps of {vec4s} vec4s"),
        vec![
            verdict("param", &bench.floats(&param.buffer, len).await?, &truth.param, param_tolerance),
            verdict("m", &bench.floats(&m, len).await?, &truth.m, 10.0 * EPS * largest(&truth.m)),
            verdict("v", &bench.floats(&v, len).await?, &truth.v, 20.0 * EPS * largest(&truth.v)),
        ],
    )])
}
