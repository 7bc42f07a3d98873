// Biases that are parameters themselves, in the blocks that AFT reads them in (lib/aft_seen.wgsl). `w` holds them by position:
//   column key - t + origin of a row where `relative` (a band, the taps of a convolution), else column key (w of AFT-full)
//
// Row n of the plane is row n of w; of taps, which are the same for every row, it is head n / 4 at rows t with t % 4 = n % 4.
// Entries that no row sees are 0. A thread forms a vec4. Operands: w [rows or heads, w_columns] floats, bias [rows, columns].
@compute @workgroup_size(64)
fn spread(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let j = thread % params.columns;
    let n = thread / params.columns;
    if n >= params.rows { return; }
    let entry = entry_of(n, j, lane);
    set_bias(n, j, vec4(w_of(entry, 0u), w_of(entry, 1u), w_of(entry, 2u), w_of(entry, 3u)));
}

fn w_of(entry: Entry, i: u32) -> f32 {
    let column = column_in_w(entry, i);
    if column < 0 { return 0.0; }
    return w[entry.row * params.w_stride + u32(column)];
}
