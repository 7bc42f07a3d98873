// Multi-head softmax attention (Vaswani et al. 2017, Eq. 1 and section 3.2.2), per head:
//   y_t = sum over t' of e^(s_tt' - L_t) v_t',  s_tt' = q_t k_t' / sqrt(D / H),  L_t = log sum over t' of e^s_tt'
// The weights of a tile (a strip of rows, a panel of keys) come from attention_softmax.wgsl; `before` holds the sums of earlier
// panels. A row without keys gives y = 0.
//
// Operands: qkv [B T, 3 D], mask [B, T], weights [B strip, H panel], totals [B, strip, H], before [B strip, D], out: y [B T, D]
// for the last panel, else sums [B strip, D].
// Constants: of lib/gemm_*.wgsl, lib/attention_keys.wgsl.
@compute @workgroup_size(GEMM_GROUP)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    gemm(group_number(group, groups), lane);
}

fn out_rows() -> u32 { return params.rows; }
fn out_cols() -> u32 { return params.head_width; }

// Causal: only keys that all rows of a tile see; `store` adds the rest. A future value must not reach a row, not even times 0.
fn depth(slice: u32, block: u32) -> vec2<u32> {
    place = place_of(slice);
    return vec2(0u, select(blocks_of_keys(), seen_by_tile(4u * block), params.causal != 0u));
}

fn blocks_of_keys() -> u32 { return (params.keys + 3u) / 4u; }

// Number of blocks of four keys that all rows of this row's tile see.
fn seen_by_tile(row: u32) -> u32 {
    return min(blocks_of_keys(), (params.first_row + row / GEMM_ROWS * GEMM_ROWS - params.first_key) / 4u);
}

fn weights_of(row: u32, d: u32) -> vec4<f32> { return weights_at(place.strip + row, place.pairs + d); }

fn a_block(i: u32, d: u32) -> mat4x4<f32> {
    let row = 4u * i;
    return mat4x4(weights_of(row, d), weights_of(row + 1u, d), weights_of(row + 2u, d), weights_of(row + 3u, d));
}

fn b_block(d: u32, j: u32) -> mat4x4<f32> {
    return those(qkv_block(place.key + 4u * d, 2u * width() + place.column + j), keys_there(place.key, d));
}

fn store(row: u32, c: u32, value: vec4<f32>, slice: u32) {
    var num = value;
    if params.causal != 0u {
        let end = min(blocks_of_keys(), (params.first_row + row - params.first_key) / 4u + 1u);
        for (var d = seen_by_tile(row); d < end; d += 1u) {
            let v = qkv_block(place.key + 4u * d, 2u * width() + place.column + c);
            num += those(v, keys_there(place.key, d) & seen(row, d)) * weights_of(row, d);
        }
    }
    let sum = totals[(place.strip + row) * params.heads + place.head];
    let column = place.column + c;
    if params.first == 0u { num += sum.z * before_at(place.strip + row, column); }
    if params.last == 0u {
        set_out(place.strip + row, column, num);
    } else {
        set_out(place.row + row, column, num / select(sum.y, 1.0, sum.y == 0.0));
    }
}
