// What lies outside of a window, as sums without biases: for position t over the items t' <= t - before, t' >= t + after, or both.
//
// The last of three passes (rest_reduce, rest_scan). A thread walks a strip of positions forwards, from the carry of what lies
// before it, and then backwards, from the carry of what lies after it (one strip has none). Carries and the strip's own sums stay
// apart until they are stored, so that no sum is longer than a strip. Items are keys or rows (lib/aft_items.wgsl).
//
// Operands: those of the items, carry_before and carry_after [4 B strips, D], rest [3, B T, D] of top, a, b; of centred keys
// [4, B T, D] with c.
// One pipeline serves both passes of a window's rest.
fn are_keys() -> bool { return params.keys != 0u; }

fn are_centred() -> bool { return params.centred != 0u; }

// The planes of lib/aft_scanned.wgsl.
const BEFORE: u32 = 0u;
const AFTER: u32 = 1u;

fn scanned_at(which: u32, row: u32, c: u32) -> vec4<f32> {
    if which == BEFORE { return carry_before_at(row, c); }
    return carry_after_at(row, c);
}

@compute @workgroup_size(STRIP_GROUP)
fn rest_of_strip(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let base = strip.batch * params.time;
    let number = strip.batch * params.strips + strip.number;
    let first = strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, params.time);
    let centred = at_run_time(params.centred, lane) != 0u;
    let both = at_run_time(params.use_before * params.use_after, lane) != 0u;

    if at_run_time(params.use_before, lane) != 0u {
        var before = NO_ITEMS;
        if at_run_time(params.strips, lane) > 1u { before = scanned_columns(BEFORE, 4u * number, c); }
        var own = NO_ITEMS;
        for (var t = first; t < end; t += 1u) {
            if t >= params.before { own = merge_columns(own, item_columns(strip.batch, base + t - params.before, c)); }
            store_columns(base + t, c, merge_columns(before, own), false, centred);
        }
    }
    if at_run_time(params.use_after, lane) != 0u {
        var after = NO_ITEMS;
        if at_run_time(params.strips, lane) > 1u { after = scanned_columns(AFTER, 4u * number, c); }
        var own = NO_ITEMS;
        for (var t = end; t > first; t -= 1u) {
            let row = base + t - 1u;
            if t - 1u + params.after < params.time { own = merge_columns(own, item_columns(strip.batch, row + params.after, c)); }
            store_columns(row, c, merge_columns(after, own), both, centred);
        }
    }
}
