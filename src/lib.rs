//! The Attention Free Transformer (Zhai et al. 2021) in WGSL compute shaders, through wgpu: layers, training, generation.
//!
//! ```text
//! y_t = sigmoid(q_t) * sum_t' exp(k_t' + w_tt') v_t'  /  sum_t' exp(k_t' + w_tt')
//! ```
//!
//! One layer of AFT-simple on host data, by the f64 reference; [`apply::Problem::run`] computes the same on a device:
//!
//! ```
//! use aft_wgpu::apply::Problem;
//! use aft_wgpu::form::SizedForm;
//! use aft_wgpu::reference::Dims;
//!
//! let layer = Problem {
//!     dims: Dims { b: 1, t: 3, d: 1 },
//!     heads: 1,
//!     form: SizedForm::Simple,
//!     causal: true,
//!     gated: false,
//!     q: vec![0.0; 3],
//!     k: vec![0.0, 0.0, 2f32.ln()], // the last key counts twice
//!     v: vec![1.0, 3.0, 4.0],
//!     w: [vec![], vec![]],
//!     mask: None,
//!     dy: None,
//! };
//! let y = layer.truth().y;
//! assert!((y[0] - 1.0).abs() < 1e-6 && (y[1] - 2.0).abs() < 1e-6 && (y[2] - 3.0).abs() < 1e-6);
//! ```
//!
//! # Where to start
//!
//! | you want to | start at |
//! | --- | --- |
//! | apply a layer to host data, or compare with another framework | [`apply`] |
//! | train a language model | [`train`] |
//! | generate text with one | [`generate`] |
//! | know whether a driver is right, or how fast it is | [`mod@check`], [`mod@bench`] |
//! | use the device of your own program | [`gpu::Gpu::from_device`], `examples/borrowed_device.rs` |
//! | read the mathematics as plain loops | [`mod@reference`] |
//!
//! ## The map of the house
//!
//! In reading order, from the ground up; arrows between rooms point down.
//!
//! ```text
//! README.md              what this is, and the first commands
//! docs                   promises, faults, decisions, performance, the browser, pictures
//! build.rs               names the commit that the library is built from
//! Cargo.toml             the library and the program; features cli (default) and data (the embedded text)
//! Makefile               the commands: demo, test, check, web
//! CHANGELOG.md           what changed
//! .ci/run                every check, from a bare clone
//! shaders/aft            kernels of AFT: without biases, pairs of rows and keys, outside of a window, biases of every kind, gradients, streams
//! shaders/nn             attention, and the kernels around both: linear, layer_norm, embedding, cross_entropy, dropout, adamw, sample ...
//! shaders/check          a kernel that measures the adapter's exp
//! shaders/bench          plain kernels that show what an adapter can do
//! shaders/lib            fragments without entry points: scaled sums, matrix products, GELU, random numbers
//! src/reference          every operation in f64, as loops that follow the paper; one file a shader
//! src/random.rs          counter-based random numbers, the same on host and device
//! src/printable.rs       names from outside, made safe to print
//! src/data               the embedded plays, texts from files, windows to train on; a bigram model and a word list to compare with
//! src/error.rs           one error type
//! src/form.rs            which AFT: the forms by name, and with their sizes
//! src/gpu                all that touches wgpu: adapters, devices, memory, kernel declarations, programs, submission, timing
//! src/ops                operations, one file a shader: shape checks, plan and dispatches; forward and gradient together
//! src/nn                 layers with their parameters: Aft, Attention, Linear, LayerNorm, Mlp, Block
//! src/models             the byte-level language model, its file format, its batches, the state of its streams
//! src/apply              one AFT layer on host data, in every form: on a device, over a stream, by the reference, from a file
//! src/bench              the benchmark: an adapter's limits in plain kernels, and what share of them ours reach
//! src/check              compares every form and kernel on an adapter with the reference, in units of a tolerance
//! src/catalogue.rs       every kernel in use, with every specialization
//! src/train              the training loop, its settings, evaluation, checkpoints
//! src/generate           generation: prompts in, tokens out; sampling; states saved, loaded and forked
//! src/bin/aft            the program, one file a subcommand
//! results                contributed files of aft bench, their format, and RESULTS.md made from them
//! examples               a layer on a caller's device; a run that goes on from a file
//! tests/kernels          every kernel and its reference, one file a kernel
//! tests/forms            every form of AFT: golden files, causality, properties, offsets, gradients, long sequences, limits, memory
//! tests/golden.rs        the reference and the golden files
//! tests/golden           results of every form and its gradients by JAX, and the script that makes them
//! tests/training.rs      a model in training: gradients, determinism, what a step costs, faults
//! tests/checkpoint.rs    runs that go on from a checkpoint, bit for bit
//! tests/device.rs        a caller's device, wrong calls
//! tests/faults           no memory, a lost device, broken kernels, limits, threads
//! tests/fuzz             files that are not checkpoints, and damaged ones
//! tests/results.rs       the files in results/: they read, every gate is green, RESULTS.md and the pictures show them
//! tests/pictures         draws the pictures in docs/
//! tests/runs             runs that are killed, interrupted, starved of disk or device, and go on
//! tests/generation.rs    generation: equal to the model, repeatable, of constant cost, ends well
//! tests/soak.rs          memory over 1,000 steps
//! tests/shaders          every shader: validation, limits, translation, file names
//! tests/bench_compare.rs results of the benchmark in every format: the numbers are read back
//! tests/bench_files.rs   damaged result files, and aft bench compare
//! tests/bench_results    made-up results that follow known laws
//! tests/bench.rs         the benchmark with wrong clocks and wrong kernels, and stopped
//! tests/cli              the program: results, bad input, exit codes
//! tests/cli_generate.rs  aft generate: samples, cuts, the model's length, nonsense
//! tests/house            this map, the documents (size, links, the package), rules that hold for every source file
//! tests/harness.rs       reports a missing adapter
//! tests/sealed.rs        renews the checksum of a file that a test changed
//! tests/small.rs         the small model that tests train
//! web/src                the browser crate: a run as a JavaScript class, the benchmark as a function
//! web/page               the page, without a framework or a bundler
//! web/pack               packs the wasm with its glue; a workspace of its own
//! web/serve.mjs          shows the page to this machine
//! web/test               the page in Chromium, against the native program
//! ```
//!
//! A kernel is four files of one stem: `shaders/aft/kernel_norm.wgsl`, `src/ops/aft/kernel_norm.rs`, `src/reference/aft/kernel_norm.rs`,
//! `tests/kernels/aft_kernel_norm.rs`.
pub mod apply;
pub mod bench;
pub mod catalogue;
pub mod check;
pub mod data;
mod error;
pub mod form;
pub mod generate;
pub mod gpu;
pub mod models;
pub mod nn;
pub mod ops;
#[doc(hidden)]
pub mod printable;
pub mod random;
pub mod reference;
pub mod train;

pub use error::{Error, ErrorKind, Result};
pub use form::Form;
pub use wgpu;

/// README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
