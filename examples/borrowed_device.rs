//! AFT-local, forward and gradients, recorded into the encoder of a program that owns its device.
//!
//! `cargo run --release --example borrowed_device`

use aft_wgpu::gpu::{Gpu, Page, Placement, Plane};
use aft_wgpu::ops::aft::biases::{BiasGradient, Biases};
use aft_wgpu::ops::aft::mix::{self, Mix, Mixed};
use aft_wgpu::ops::aft::qkv_cols;
use aft_wgpu::ops::{Builder, Gradient};
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
    // Both factors of the biases lie in one page, and their gradients in another of the same plan.
    let bytes = u64::from(4 * time * rank).next_multiple_of(256);
    let page = Page::new(&gpu, "factors", 2 * bytes, b.placement)?;
    let [u, v] = [0, bytes].map(|offset| page.tensor(offset, time, rank));
    for (factor, step) in [(&u, 0.2), (&v, 0.5)] {
        gpu.write(&page.buffer, factor.offset_bytes, bytemuck::cast_slice(&factor.pad(&wave(time * rank, step))?))?;
    }
    let dpage = gpu.storage("gradients of the factors", 2 * bytes)?;
    let dfactors = Gradient::of(&dpage, &u, Some(&v), false)?;

    // Outputs, which may be buffers of the program's own (`Plane::from_buffer`).
    let mix = Mix { batch, time, channels, causal: true, gated: true, mask: None };
    let biases = Biases::Factors { u: &u, v: &v, window };
    let dqkv = b.plane("gradient", rows, width)?;
    let out = Mixed::new(b, &mix, true)?;

    mix::forward(b, &mix, &biases, &qkv, &out)?;
    let dbiases = Some(BiasGradient::Factors(&dfactors));
    mix::backward(b, &mix, &biases, &mix::Backward { qkv: &qkv, out: &out, dy: &dy, dqkv: &dqkv, dbiases })?;
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
