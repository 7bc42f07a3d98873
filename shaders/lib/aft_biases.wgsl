// Biases as AFT reads them: a plane `bias` with `period` rows a head, which begins again after them (lib/aft_seen.wgsl has its
// columns). Constants: HEADS, how heads share biases: 0 all channels have the same, 1 the four of a vec4, 2 each its own.
// reads: HEADS, bias_at, bounded, column_of, params.cols, params.first_row, params.head_channels, params.period

// The biases of a block for four channels: column i is key i.
fn biases(t: u32, block: u32, c: u32) -> mat4x4<f32> {
    let row = (t - params.first_row) % params.period;
    let j = column_of(t, block);
    if HEADS == 2u {
        let head = min(vec4(4u * c) + vec4(0u, 1u, 2u, 3u), vec4(params.cols - 1u)) / params.head_channels;
        return transpose(mat4x4(
            bounded(bias_at(head.x * params.period + row, j)), bounded(bias_at(head.y * params.period + row, j)),
            bounded(bias_at(head.z * params.period + row, j)), bounded(bias_at(head.w * params.period + row, j)),
        ));
    }
    var head = 0u;
    if HEADS == 1u { head = 4u * c / params.head_channels; }
    let w = bounded(bias_at(head * params.period + row, j));
    return mat4x4(vec4(w.x), vec4(w.y), vec4(w.z), vec4(w.w));
}
