//! AFT-local, forward and gradients, recorded into the encoder of a program that owns its device.
//!
//! `cargo run --release --example borrowed_device`

use aft_wgpu::gpu::{Gpu, Placement, Plane, Weights};
use aft_wgpu::ops::Builder;
use aft_wgpu::ops::aft::{Output, band, local, qkv_cols};
use aft_wgpu::wgpu;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the program has anyway.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&Default::default()))?;

    let gpu = Gpu::from_device(device.clone(), queue.clone())?;
    let (batch, time, channels, window, rank) = (2, 64, 32, 8, 4);
    let (rows, width) = (batch * time, qkv_cols(channels));
    let b = &mut Builder::new(&gpu, Placement::Buffer);
    let wave = |len: u32, step: f32| (0..len).map(|i| (i as f32 * step).sin()).collect::<Vec<_>>();
    let qkv = Plane::upload(&gpu, "qkv", rows, width, &wave(rows * width, 0.7), b.placement)?;
    let dy = Plane::upload(&gpu, "dy", rows, channels, &wave(rows * channels, 0.3), b.placement)?;
    let factor = |step| Weights::upload(&gpu, "factor", time, rank, &wave(time * rank, step), b.placement);
    let (u, v) = (factor(0.2)?, factor(0.5)?);

    // Outputs, which may be buffers of the program's own (`Plane::from_buffer`).
    let biases = b.plane("band", time, band::cols(time, window))?;
    let dband = b.plane("band gradient", time, band::cols(time, window))?;
    let dqkv = b.plane("gradient", rows, width)?;
    let out = Output::new(b, rows, channels)?;

    band::forward(b, &band::Forward { window, u: &u, v: &v, band: &biases })?;
    local::forward(b, &local::Forward { batch, time, window, qkv: &qkv, band: &biases, out: &out })?;
    let args = local::Backward {
        batch,
        time,
        window,
        qkv: &qkv,
        band: &biases,
        out: &out,
        dy: &dy,
        dqkv: &dqkv,
        dband: &dband,
    };
    local::backward(b, &args)?;
    let program = b.take_program();

    // The program is recorded as often as it likes; nothing is submitted but by the program.
    let mut encoder = device.create_command_encoder(&Default::default());
    program.record(&mut encoder);
    queue.submit([encoder.finish()]);
    let y = pollster::block_on(out.y.read(&gpu))?;
    let gradient = pollster::block_on(dqkv.read(&gpu))?;
    println!("y[0..4] = {:?}", &y[..4]);
    println!("dq[0..4] = {:?}", &gradient[..4]);
    Ok(())
}
