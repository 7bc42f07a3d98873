// The first of the three passes of AFT-simple and AFT-local (simple.wgsl): the state of the keys that join the prefix while a
// strip is walked. Row t adds key t - window to the prefix, so strip j adds the keys C j - window .. C (j+1) - window.
//
// Operands: qkv [B T, 3 D], total [3 B strips, D]. The last strip's total is not needed.
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    strip_rows: u32,
    strips: u32,
    window: u32,
    qkv_stride: u32,
    total_stride: u32,
}

@compute @workgroup_size(STRIP_GROUP)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let start = strip.number * params.strip_rows;
    let first = max(start, params.window) - params.window;
    let end = max(start + params.strip_rows, params.window) - params.window;
    var sums = EMPTY;
    for (var t = first; t < min(end, params.time); t += 1u) {
        let row = strip.batch * params.time + t;
        sums = merge(sums, State(key(row, strip.column), value(row, strip.column), vec4(1.0)));
    }
    set_total_state(strip.batch * params.strips + strip.number, strip.column, sums);
}
