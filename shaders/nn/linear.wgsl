// A linear layer with bias, activation and residual fused into the store:
//   pre = x W + bias,  y = act(pre) + residual,  act = identity or GELU (lib/gelu.wgsl)
//
// Operands: x [M, K], w [K, N], bias [N] (if has_bias), residual [M, N] (if has_residual), y [M, N], pre [M, N] (if has_pre).
// Rows of w past K and columns past N are zero, so padding stays zero. Constants: of lib/gemm_*.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return (params.cols + 3u) / 4u; }
fn slices() -> u32 { return 1u; }
fn depth(slice: u32, block: u32) -> vec2<u32> { return vec2(0u, (params.inner + 3u) / 4u); }

fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = 4u * i;
    return mat4x4(x_at(row, d), x_at(row + 1u, d), x_at(row + 2u, d), x_at(row + 3u, d));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    let n = out_cols();
    let at = 4u * d * n + j;
    return mat4x4(w_at(at), w_at(at + n), w_at(at + 2u * n), w_at(at + 3u * n));
}

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    var y = value;
    if params.has_bias != 0u { y += bias_at(c); }
    if params.has_pre != 0u {
        set_pre(row, c, y);
        y = gelu(y);
    }
    if params.has_residual != 0u { y += residual_at(row, c); }
    set_y(row, c, y);
}

fn store_sums(c: u32, value: vec4<f32>, slice: u32) {}
