// Gradients of the keys and values of attention (attention.wgsl) from a strip of rows, with p and g from attention_grad_scores.wgsl:
//   dk_t' = sum over t of g_tt' q_t,  dv_t' = sum over t of p_tt' dy_t
// `weights` holds g or p, x holds q or dy, `before` the sums of earlier strips.
//
// Operands: mask [B, T], weights [B strip, H panel], x [B T, 3 D] or [B T, D], before [B panel, D], out [B T, 3 D] for the last
// strip, else [B panel, D].
// Constants: of lib/gemm_*.wgsl, lib/attention_keys.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn gradient_kv(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.keys; }
fn out_cols() -> u32 { return params.head_width; }

// Causal: rows from the first key of the tile on.
fn depth(slice: u32, block: u32) -> vec2<u32> {
    place = place_of(slice);
    let first = max(params.first_key + 4u * block, params.first_row) - params.first_row;
    return vec2(select(0u, first / 4u, params.causal != 0u), (params.rows + 3u) / 4u);
}

fn weights_of(row: u32, c: u32) -> vec4<f32> { return weights_at(place.strip + row, place.pairs + c); }

// Rows after the end of the sequence were not stored.
fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = 4u * d;
    let rows = mat4x4(weights_of(row, i), weights_of(row + 1u, i), weights_of(row + 2u, i), weights_of(row + 3u, i));
    return transpose(those(rows, before_end(row, params.rows)));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    let row = place.row + 4u * d;
    let c = place.column + j;
    return those(mat4x4(x_at(row, c), x_at(row + 1u, c), x_at(row + 2u, c), x_at(row + 3u, c)), before_end(4u * d, params.rows));
}

fn store(key: u32, c: u32, value: vec4<f32>, slice: u32) {
    let kept = slice / params.heads * 4u * params.panel + key;
    var sum = value;
    if params.first == 0u { sum += before_at(kept, place.column + c); }
    if params.last == 0u {
        set_out(kept, place.column + c, sum);
    } else {
        let there = keys_there(place.key, key / 4u)[key % 4u];
        set_out(place.key + key, params.out_column + place.column + c, select(vec4(0.0), sum, there));
    }
}
