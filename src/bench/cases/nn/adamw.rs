//! The AdamW update of parameters.

use super::part::{Part, Parts, run};
use crate::check::cases::normal;
use crate::check::nn::{EPS, largest, verdict, wide};
use crate::check::workbench::Bench;
use crate::error::Result;
use crate::gpu::Page;
use crate::ops::nn::adamw::{Hyper, Update, update};
use crate::ops::nn::train_state::TrainState;
use crate::reference::nn::adamw as reference;

const HYPER: Hyper = Hyper { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.5 };
const LR: f32 = 1e-3;

pub(super) async fn prepare(bench: &mut Bench, len: usize) -> Result<Parts> {
    let [start, gradients] = [1, 2].map(|stream| normal(stream, len));
    let param = Page::new(&bench.b.gpu, "param", 4 * len as u64, bench.b.placement)?;
    bench.b.gpu.write(&param.buffer, 0, bytemuck::cast_slice(&start))?;
    let zero = vec![0.0; len];
    let [grad, m, v] = [bench.buffer(&gradients)?, bench.buffer(&zero)?, bench.buffer(&zero)?];
    let [correction1, correction2] = [HYPER.beta1, HYPER.beta2].map(|beta| 1.0 - beta);
    let now = TrainState { lr: LR, clip: 1.0, finite: 1, correction1, correction2, ..TrainState::new(1) };
    let state = bench.b.gpu.upload("state", &[now])?;
    let vec4s = len as u32 / 4;
    let args = Update { param: &param, grad: &grad, m: &m, v: &v, vec4s, decayed: vec4s, state: &state, hyper: HYPER };
    update(&mut bench.b, &args)?;
    let program = bench.b.take_program();
    run(bench, &program).await?;

    let Hyper { beta1, beta2, eps, weight_decay } = HYPER;
    let [lr, beta1, beta2, eps, weight_decay] = [LR, beta1, beta2, eps, weight_decay].map(f64::from);
    let hyper = reference::Hyper { lr, beta1, beta2, eps, weight_decay };
    let (param64, none) = (wide(&start), wide(&zero));
    let truth = reference::step(&hyper, 1, 1.0, &param64, &wide(&gradients), &none, &none);
    // A step rounds the parameter and a move of lr. Bias corrections in f32 divide by 1 - beta, which has lost bits.
    let lost = EPS / (1.0 - beta2);
    let param_tolerance = EPS * largest(&param64) + 4.0 * lost * lr;
    let got = bench.floats(&param.buffer, len).await?;
    let verdicts = vec![
        verdict("param", &got, &truth.param, param_tolerance),
        verdict("m", &bench.floats(&m, len).await?, &truth.m, 4.0 * EPS * largest(&truth.m) / (1.0 - beta1)),
        verdict("v", &bench.floats(&v, len).await?, &truth.v, 4.0 * lost * largest(&truth.v)),
    ];
    // Reads the parameter, the gradient and both moments; writes all but the gradient.
    let part = Part { direction: "step", program, verdicts, flops: None, bytes: 28.0 * len as f64 };
    Ok(Parts(vec![part], Box::new((param, grad, m, v, state))))
}
