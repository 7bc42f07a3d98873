// Gradient of a linear layer's input, with the derivative of the GELU that made that input fused into the store:
//   dx = (dy W^T) gelu'(pre) + skip
//
// Operands: dy [M, N], w [K, N], pre [M, K] (if has_pre), skip [M, K] (if has_skip), dx [M, K].
// Constants: of lib/gemm_*.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn gradient_x(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return (params.cols + 3u) / 4u; }
fn slices() -> u32 { return 1u; }
fn depth(slice: u32, block: u32) -> vec2<u32> { return vec2(0u, (params.inner + 3u) / 4u); }

fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = 4u * i;
    return mat4x4(dy_at(row, d), dy_at(row + 1u, d), dy_at(row + 2u, d), dy_at(row + 3u, d));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    let n = (params.inner + 3u) / 4u;
    let at = 4u * j * n + d;
    return transpose(mat4x4(w_at(at), w_at(at + n), w_at(at + 2u * n), w_at(at + 3u * n)));
}

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    var dx = value;
    if params.has_pre != 0u { dx *= gelu_derivative(pre_at(row, c)); }
    if params.has_skip != 0u { dx += skip_at(row, c); }
    // A weight of one row has no padding rows, so the values read for them are not zero.
    set_dx(row, c, select(vec4(0.0), dx, channels(c, params.cols)));
}

fn store_sums(c: u32, value: vec4<f32>, slice: u32) {}
