// The taps of a kernel [H, S, S] on a grid as biases of blocks of four keys (lib/aft_grid.wgsl). Every key counts; those outside of
// the kernel have the bias 0. Constants: HEADS, how heads share taps: 0 all channels have the same, 1 the four of a vec4, 2 each
// its own.
fn blocks_of_keys(t: u32) -> vec2<u32> {
    return vec2(0u, select((params.time + 3u) / 4u, t / 4u + 1u, params.causal != 0u));
}

fn blocks_of_rows(t: u32) -> vec2<u32> {
    return vec2(select(0u, t / 4u, params.causal != 0u), (params.time + 3u) / 4u);
}

fn seen(t: u32, block: u32) -> vec4<bool> {
    let keys = vec4(4u * block) + vec4(0u, 1u, 2u, 3u);
    return ((keys <= vec4(t)) | vec4(params.causal == 0u)) & (keys < vec4(params.time));
}

fn biases(t: u32, block: u32, c: u32) -> mat4x4<f32> {
    return mat4x4(biases_of(t, 4u * block, c), biases_of(t, 4u * block + 1u, c), biases_of(t, 4u * block + 2u, c), biases_of(t, 4u * block + 3u, c));
}

// Of one key, for four channels.
fn biases_of(t: u32, key_at: u32, c: u32) -> vec4<f32> {
    let half = i32(params.size - 1u) / 2;
    let dy = i32(key_at / params.grid_columns) - i32(t / params.grid_columns);
    let dx = i32(key_at % params.grid_columns) - i32(t % params.grid_columns);
    let inside = (abs(dy) <= half) & (abs(dx) <= half);
    let tap = u32(select(0, (dy + half) * i32(params.size) + dx + half, inside));
    let stride = 4u * ((params.size * params.size + 3u) / 4u);
    var w: vec4<f32>;
    if HEADS == 2u {
        let head = min(vec4(4u * c) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u)) / params.head_channels;
        w = vec4(taps[head.x * stride + tap], taps[head.y * stride + tap], taps[head.z * stride + tap], taps[head.w * stride + tap]);
    } else {
        var head = 0u;
        if HEADS == 1u { head = 4u * c / params.head_channels; }
        w = vec4(taps[head * stride + tap]);
    }
    return select(vec4(0.0), bounded(w), inside);
}
