//! `aft apply`: applies one layer to tensors from a file, to compare it with other frameworks.

use std::path::PathBuf;

use aft_wgpu::apply::Request;
use aft_wgpu::form::Form;
use aft_wgpu::gpu::{Gpu, Placement};
use aft_wgpu::printable::Printable;
use aft_wgpu::{Error, Result};
use clap::ValueEnum;

use crate::command_line::whole;
use crate::output::{Output, check_distinct};
use crate::shared::{AdapterArgs, about, note, read_file, say};

/// Apply one layer of AFT, and its gradients, to tensors of a safetensors file
#[derive(clap::Args)]
#[command(after_help = "\
IN holds f32 tensors, row-major:
  q, v      [B, T, D]
  k         [B, T, D]; conv1d and conv2d: [B, T, H], where H divides D and channel c belongs to head c / (D / H)
  w         full, local: [T, T], row t and key t'; local reads the keys with |t - t'| < S
            conv1d: [H, S]; conv2d: [H, S, S], rows, then columns
  w_u, w_v  full, local: [T, R] instead of w, which is their product w_u w_v^T
  mask      optional, u8 [B, T]: 1 where there is a key
  dy        optional [B, T, D]: the gradient of y

Entry i of a kernel stands for the key t + i - (S - 1) / 2 and S is odd; of causal conv1d for t - (S - 1) + i and S is any.
Causal conv2d ends at t in raster order and has the entries of conv2d. A row that sees no key gives 0. q may be missing with
--gate none. Values are taken as they are: NaN or infinity in a key or value shows in every row that sees it.

OUT holds y [B, T, D]; with dy also dq, dk, dv, and dw, or dw_u and dw_v, each in the shape of what it is the gradient of. dw is
summed over B, and 0 where w is not read.

Examples:
  aft apply --variant simple --causal in.safetensors -o out.safetensors
  aft apply --variant local --window 32 in.safetensors -o out.safetensors
  aft apply --variant conv2d --grid 14x14 --gate none in.safetensors -o out.safetensors")]
pub struct Args {
    /// The variant of AFT
    #[arg(long)]
    variant: Form,
    /// Row t sees the keys up to t only
    #[arg(long)]
    causal: bool,
    /// Window of local: biases where |t - t'| < S; 0 has none, T or more is full
    #[arg(long, value_name = "S", value_parser = whole(0..=usize::MAX))]
    window: Option<usize>,
    /// Grid of conv2d, with ROWS x COLS = T
    #[arg(long, value_name = "ROWSxCOLS", value_parser = grid)]
    grid: Option<[usize; 2]>,
    /// Gate that multiplies y: sigmoid(q), or none
    #[arg(long, default_value = "sigmoid")]
    gate: Gate,
    #[command(flatten)]
    adapter: AdapterArgs,
    /// File with the input tensors
    #[arg(value_name = "IN.safetensors")]
    input: PathBuf,
    /// File for the results, replaced if it exists; - is stdout
    #[arg(short, long = "out", value_name = "OUT.safetensors")]
    output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Gate {
    Sigmoid,
    None,
}

/// Parses a grid such as "4x3" into rows and columns.
fn grid(text: &str) -> Result<[usize; 2], String> {
    let parsed = text.split_once('x').and_then(|(rows, columns)| Some([rows.parse().ok()?, columns.parse().ok()?]));
    parsed.ok_or_else(|| "a grid is written as ROWSxCOLS, such as 4x3".into())
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let request = args.request();
    request.check()?;
    let output = Output::new(&args.output)?;
    check_distinct(std::slice::from_ref(&args.input), &[("-o", &output)])?;
    let bytes = read_file(&args.input)?;
    let input = request.read(&bytes).map_err(|error| about(&args.input, error))?;
    drop(bytes);
    let gpu = Gpu::request_blocking(&args.adapter.options())?;
    let placement = input.problem.placement(&gpu);
    let outcome = pollster::block_on(async {
        match input.problem.run(&gpu, placement).await {
            // Texture size limits are lower than buffer size limits.
            Err(Error::LimitExceeded { .. }) if placement == Placement::Texture => {
                input.problem.run(&gpu, Placement::Buffer).await
            }
            outcome => outcome,
        }
    })?;
    output.write(&input.answer(&outcome)?)?;
    let names = if outcome.gradients.is_some() { "y and its gradients" } else { "y" };
    let done = format!("{names} in {output} by {}", gpu.caps().adapter);
    if output.is_stdout() {
        note(done);
        return Ok(());
    }
    say(Printable(done))
}

impl Args {
    fn request(&self) -> Request {
        let gated = self.gate == Gate::Sigmoid;
        Request { variant: self.variant, causal: self.causal, window: self.window, grid: self.grid, gated }
    }
}
