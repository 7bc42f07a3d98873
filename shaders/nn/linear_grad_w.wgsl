// Gradients of a linear layer's parameters, summed over slices of the rows:
//   dW = x^T dy,  dbias = sum over rows of dy
//
// Operands: x [M, K], dy [M, N], out: dW [K, N], then at `bias_offset` vec4s dbias [N]; slices are `slice_stride` vec4s apart.
// Constants: of lib/gemm_*.wgsl; COLUMN_SUMS = 1 if there is a bias.
@compute @workgroup_size(GEMM_GROUP)
fn gradient_w(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return (params.cols + 3u) / 4u; }
fn slices() -> u32 { return params.slices; }
fn depth(slice: u32, block: u32) -> vec2<u32> {
    let first = slice * params.inner_per_slice;
    return vec2(first / 4u, (min(first + params.inner_per_slice, params.inner) + 3u) / 4u);
}

fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = 4u * d;
    return transpose(mat4x4(x_at(row, i), x_at(row + 1u, i), x_at(row + 2u, i), x_at(row + 3u, i)));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    let row = 4u * d;
    return mat4x4(dy_row(row, j), dy_row(row + 1u, j), dy_row(row + 2u, j), dy_row(row + 3u, j));
}

// A row of dy; zero past the end.
fn dy_row(row: u32, j: u32) -> vec4<f32> {
    return select(vec4(0.0), dy_at(row, j), row < params.inner);
}

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    put(slice * params.slice_stride + row * out_cols() + c, value);
}

fn store_sums(c: u32, value: vec4<f32>, slice: u32) {
    put(slice * params.slice_stride + params.bias_offset + c, value);
}

fn put(at: u32, value: vec4<f32>) {
    out[at] = select(value, value + out[at], params.accumulate != 0u);
}
