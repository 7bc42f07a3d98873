//! Shared by the kernel tests: seeded values, running a builder's program, comparison.

use aft_wgpu::gpu::{Buffer, Gpu, Page, Placement, Plane, Weights};
use aft_wgpu::ops::{Builder, Gradient};
use aft_wgpu::random::normal_pair;
use aft_wgpu::reference::compare::worst;

/// Both homes of planes; every kernel is tested in each.
pub const PLACEMENTS: [Placement; 2] = [Placement::Buffer, Placement::Texture];

/// `len` standard normal numbers.
pub fn normal(seed: u32, len: usize) -> Vec<f32> {
    (0..len).map(|i| normal_pair([seed, 7, i as u32 / 2, 0])[i % 2] as f32).collect()
}

/// The same numbers, exactly, in f64.
pub fn f64s(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}

/// The largest magnitude.
pub fn max_abs(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// Runs what a builder collected and waits for it.
pub fn run(b: &mut Builder) {
    let program = b.take_program();
    let mut encoder = b.gpu.device().create_command_encoder(&Default::default());
    program.record(&mut encoder);
    b.gpu.queue().submit([encoder.finish()]);
    b.gpu.check().unwrap();
}

/// A plane that holds `data` [rows, cols].
pub fn plane(b: &Builder, rows: usize, cols: usize, data: &[f32]) -> Plane {
    Plane::upload(&b.gpu, "test", rows as u32, cols as u32, data, b.placement).unwrap()
}

/// A plane full of NaN: an element that a kernel forgets shows. (Its padding too: kernels owe zeros there.)
pub fn unwritten(b: &Builder, rows: usize, cols: usize) -> Plane {
    let plane = Plane::new(&b.gpu, "test", rows as u32, cols as u32, b.placement).unwrap();
    plane.fill(&b.gpu, f32::NAN).unwrap();
    plane
}

/// Reads a plane and checks that its padding is zero.
pub fn read(b: &Builder, plane: &Plane) -> Vec<f32> {
    let padded = pollster::block_on(plane.read_padded(&b.gpu)).unwrap();
    for row in padded.chunks(4 * plane.stride() as usize) {
        assert!(row[plane.cols as usize..].iter().all(|v| *v == 0.0), "padding of a row is not zero: {row:?}");
    }
    pollster::block_on(plane.read(&b.gpu)).unwrap()
}

/// A parameter that holds `data` [rows, cols].
pub fn weights(b: &Builder, rows: usize, cols: usize, data: &[f32]) -> Weights {
    Weights::upload(&b.gpu, "test", rows as u32, cols as u32, data, b.placement).unwrap()
}

/// Gradients of two tensors [rows, cols] each in a page of their own, filled with NaN or, to test accumulation, `start`;
/// with canary words behind them.
pub struct Gradients {
    pub target: Gradient,
    first: Weights,
    second: Option<Weights>,
    page: Buffer,
}

const CANARY: f32 = 12_345.5;

impl Gradients {
    pub fn new(b: &Builder, first: (usize, usize), second: Option<(usize, usize)>, start: Option<f32>) -> Self {
        let align = |bytes: u64| bytes.next_multiple_of(256);
        let bytes = |(r, c): (usize, usize)| Weights::padded_bytes(r as u32, c as u32);
        let second_at = align(bytes(first));
        let end = second_at + align(second.map_or(0, bytes));
        let page = b.gpu.storage("test gradients", end + 256).unwrap();
        let shapes = Page::new(&b.gpu, "shape only", end, Placement::Buffer).unwrap();
        let tensor = |(r, c): (usize, usize), offset_bytes| shapes.tensor(offset_bytes, r as u32, c as u32);
        let (first, second) = (tensor(first, 0), second.map(|s| tensor(s, second_at)));
        let mut fill = vec![CANARY; (end + 256) as usize / 4];
        for w in [Some(&first), second.as_ref()].into_iter().flatten() {
            let at = w.offset_bytes as usize / 4;
            let values = w.pad(&vec![start.unwrap_or(f32::NAN); (w.rows * w.cols) as usize]).unwrap();
            fill[at..at + values.len()].copy_from_slice(&values);
        }
        b.gpu.write(&page, 0, bytemuck::cast_slice(&fill)).unwrap();
        let target = Gradient::of(&page, &first, second.as_ref(), start.is_some()).unwrap();
        Self { target, first, second, page }
    }

    /// The gradients of both tensors, unpadded; checks padding and canaries.
    pub fn read(&self, gpu: &Gpu) -> (Vec<f32>, Vec<f32>) {
        let all: Vec<f32> = pollster::block_on(gpu.read(&self.page, 0, self.page.size())).unwrap();
        let mut covered = 0;
        let mut take = |w: &Weights| {
            let (from, len) = (w.offset_bytes as usize / 4, w.size_bytes() as usize / 4);
            assert!(all[covered..from].iter().all(|&v| v == CANARY), "a store before {}", from);
            covered = from + len;
            let padded = &all[from..covered];
            let values = w.unpad(padded);
            assert_eq!(w.pad(&values).unwrap(), padded, "the padding of a gradient is not zero");
            values
        };
        let first = take(&self.first);
        let second = self.second.as_ref().map(&mut take).unwrap_or_default();
        assert!(all[covered..].iter().all(|&v| v == CANARY), "a store behind the gradients");
        (first, second)
    }
}

/// Asserts that every value is within `tolerance` of the reference, and finite.
pub fn assert_close(what: &str, actual: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    let worst = worst(actual, expected, |_| tolerance);
    assert!(worst.ratio <= 1.0, "{what}: {worst}");
}
