//! Token and position embeddings and their gradients (`shaders/nn/embedding*.wgsl`).

use crate::error::{Error, Result, expect_count, expect_shape};
use crate::gpu::{Array, Call, Cost, Kernel, Placement, Plane, Specialization, Weights, kernel};
use crate::ops::nn::batch::Batch;
use crate::ops::trips::LANES;
use crate::ops::{Builder, Gradient, trips};

/// Threads that share a sum of the gradient: for CPUs, for GPUs, and for sums of many rows.
const SUM_LANES: [u32; 3] = [1, 8, 64];

kernel! {
    /// `shaders/nn/embedding.wgsl`.
    struct ForwardKernel = "nn/embedding", "forward";
    fragments: ["grid", "run_time", "train_state", "batch"],
    params: { rows: u32, length: u32, width: u32, slots: u32, slot_len: u32, micro: u32 },
    operands: {
        read token: &'a Weights = "[V, D]",
        read position: &'a Weights = "[T, D]",
        read data: Array<'a, u32> = "[slots] batches",
        read state: Array<'a, u32> = "training state",
        write x: &'a Plane = "[B, T, D]",
    },
}

kernel! {
    /// `shaders/nn/embedding_grad.wgsl`.
    struct GradientKernel = "nn/embedding_grad", "gradient";
    fragments: ["grid", "run_time", "train_state", "batch"],
    params: {
        rows: u32, length: u32, vocabulary: u32, positions: u32, width: u32, slots: u32, slot_len: u32, micro: u32,
        position_offset: u32, accumulate: u32,
    },
    operands: {
        read data: Array<'a, u32> = "[slots] batches",
        read state: Array<'a, u32> = "training state",
        read dx: &'a Plane = "[B, T, D]",
        write out: Array<'a, [f32; 4]> = "[d_token V D, d_position T D]",
    },
}

/// Operands of the forward pass.
pub struct Forward<'a> {
    /// The tokens; M = B T rows.
    pub batch: Batch<'a>,
    /// Token table [V, D].
    pub token: &'a Weights,
    /// Position table [T, D] or longer.
    pub position: &'a Weights,
    /// The length T of a sequence.
    pub length: u32,
    /// Output [B, T, D].
    pub x: &'a Plane,
}

/// Operands of the gradient.
pub struct Backward<'a> {
    /// The forward pass's tokens.
    pub batch: Batch<'a>,
    /// The length T of a sequence.
    pub length: u32,
    /// Rows of the position table, at least T.
    pub positions: u32,
    /// Gradient of the output [B, T, D].
    pub dx: &'a Plane,
    /// Output: gradients of the token table and of the position table.
    pub tables: &'a Gradient,
}

/// Adds `x = token[tokens] + position`. About 1 flop and 12 bytes an element.
///
/// # Errors
/// [`crate::Error::Shape`] if an operand does not fit x; [`crate::Error::LimitExceeded`] above 4,096,000 channels.
pub fn forward(b: &mut Builder, args: &Forward<'_>) -> Result<()> {
    let Forward { batch, token, position, length, x } = *args;
    check(&batch, length, position.rows, x)?;
    expect_shape("embedding: columns of both tables", [x.cols; 2], [token.cols, position.cols])?;
    expect_count("embedding: token table", "rows", batch.layout.vocabulary, token.rows)?;
    let call = ForwardKernel {
        rows: x.rows,
        length,
        width: x.stride(),
        slots: batch.slots,
        slot_len: batch.layout.words(),
        micro: batch.micro,
        token,
        position,
        data: batch.data.into(),
        state: batch.state.into(),
        x,
    };
    let width = u64::from(x.stride());
    let lanes = trips::lanes(b.tuning().shared_rows, "embedding", &LANES, |lanes| width.div_ceil(lanes))?;
    let variant = b.special().with("LANES", lanes);
    let groups = (u64::from(x.rows) * u64::from(lanes)).div_ceil(64);
    b.run(&call, &variant, groups, cost(x, 1.0, 3.0))?;
    Ok(())
}

/// Adds the gradients of both tables; rows of the position table from T on get 0.
///
/// # Errors
/// As [`forward`]; [`crate::Error::LimitExceeded`] above 2,015,000 rows.
pub fn backward(b: &mut Builder, args: &Backward<'_>) -> Result<()> {
    let Backward { batch, length, positions, dx, tables } = *args;
    check(&batch, length, positions, dx)?;
    let width = dx.stride();
    let (vocabulary, out) = (batch.layout.vocabulary, tables.slices(b, 1)?);
    let covered = (vocabulary * width..=tables.first_len, positions * width..=tables.second_len);
    if covered.0.is_empty() || covered.1.is_empty() {
        let expected = format!("[{vocabulary}, {}] and [{positions}, {}]", dx.cols, dx.cols);
        let got = format!("{} and {} vec4s", tables.first_len, tables.second_len);
        return Err(Error::shape("embedding: gradients of the tables", expected, got));
    }
    let lanes = sum_lanes(b.tuning().shared_rows, dx.rows)?;
    let call = GradientKernel {
        rows: dx.rows,
        length,
        vocabulary,
        positions,
        width,
        slots: batch.slots,
        slot_len: batch.layout.words(),
        micro: batch.micro,
        position_offset: out.second_offset,
        accumulate: out.accumulate,
        data: batch.data.into(),
        state: batch.state.into(),
        dx,
        out: out.array(),
    };
    let variant = b.special().with("LANES", lanes);
    let groups = (u64::from(vocabulary + positions) * u64::from(width) * u64::from(lanes)).div_ceil(64);
    b.run(&call, &variant, groups, cost(dx, 2.0, 2.0))?;
    out.finish(b)
}

/// Lanes for a sum over `rows` rows, in case they all hold the same token.
fn sum_lanes(shared: bool, rows: u32) -> Result<u32> {
    // A lane's rows, its blocks of 64, and the sum over lanes.
    let rows = u64::from(rows);
    let trips = |lanes: u64| rows.div_ceil(lanes) + rows.div_ceil(64 * lanes) + 6;
    trips::lanes(shared, "the gradient of the embedding", &SUM_LANES, trips)
}

fn check(batch: &Batch<'_>, length: u32, positions: u32, x: &Plane) -> Result<()> {
    batch.check("embedding")?;
    expect_count("embedding: x", "rows", batch.layout.rows, x.rows)?;
    if length == 0 || !x.rows.is_multiple_of(length) || length > positions {
        let expected = format!("a divisor of {} rows, at most {positions} positions", x.rows);
        return Err(Error::shape("embedding: length of a sequence in positions", expected, length));
    }
    Ok(())
}

fn cost(x: &Plane, flops: f64, planes: f64) -> Cost {
    let elements = f64::from(x.rows) * f64::from(x.cols);
    Cost { flops: flops * elements, bytes: 4.0 * planes * elements }
}

pub(crate) fn catalogue(placement: Placement) -> Vec<(&'static Kernel, Specialization)> {
    let variant = |lanes| Specialization::new(placement).with("LANES", lanes);
    let forward = LANES.map(|lanes| (ForwardKernel::KERNEL, variant(lanes)));
    forward.into_iter().chain(SUM_LANES.map(|lanes| (GradientKernel::KERNEL, variant(lanes)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_of_a_sum_grow_with_its_rows() {
        let lanes = |shared, rows| sum_lanes(shared, rows).ok();
        assert_eq!(
            [31_501, 31_502, 251_960, 252_100].map(|rows| lanes(false, rows)),
            [Some(1), Some(8), Some(8), Some(64)]
        );
        assert_eq!(
            [1, 252_100, 2_015_000, 2_017_000].map(|rows| lanes(true, rows)),
            [Some(8), Some(64), Some(64), None]
        );
    }
}
