// The taps of a kernel [H, S, S], a row of floats a head, padded to whole vec4s. Constants: HEADS, how heads share taps: 0 all
// channels have the same, 1 the four of a vec4, 2 each its own.
// reads: HEADS, bounded, params.cols, params.head_channels, params.size, taps

// The tap in a row and a column of the kernel, for four channels; past its last column, any.
fn tap_at(row: u32, column: u32, c: u32) -> vec4<f32> {
    let tap = row * params.size + min(column, params.size - 1u);
    let stride = 4u * ((params.size * params.size + 3u) / 4u);
    if HEADS == 2u {
        let head = min(vec4(4u * c) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u)) / params.head_channels;
        return bounded(vec4(
            taps[head.x * stride + tap], taps[head.y * stride + tap], taps[head.z * stride + tap], taps[head.w * stride + tap],
        ));
    }
    var head = 0u;
    if HEADS == 1u { head = 4u * c / params.head_channels; }
    return bounded(vec4(taps[head * stride + tap]));
}
