// What lies outside of a window, as sums without biases: for position t over the items t' <= t - before, t' >= t + after, or both.
//
// The last of three passes (rest_reduce, rest_scan). A thread walks a strip of positions forwards, from the carry of what lies
// before it, and then backwards, from the carry of what lies after it (one strip has none). Carries and the strip's own sums stay
// apart until they are stored, so that no sum is longer than a strip. Items are keys or rows (lib/aft_items.wgsl).
//
// Operands: those of the items, carry_before and carry_after [4 B strips, D], rest [3, B T, D] of top, a, b; of centred keys
// [4, B T, D] with c.
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    strip_rows: u32,
    strips: u32,
    use_before: u32,
    before: u32,
    use_after: u32,
    after: u32,
    keys: u32,
    centred: u32,
    masked: u32,
    items_stride: u32,
    g_stride: u32,
    centre_stride: u32,
    carry_before_stride: u32,
    carry_after_stride: u32,
}

fn before_of(row: u32, c: u32) -> Sums {
    let i = 4u * row;
    return Sums(carry_before_at(i, c), carry_before_at(i + 1u, c), carry_before_at(i + 2u, c), carry_before_at(i + 3u, c));
}

fn after_of(row: u32, c: u32) -> Sums {
    let i = 4u * row;
    return Sums(carry_after_at(i, c), carry_after_at(i + 1u, c), carry_after_at(i + 2u, c), carry_after_at(i + 3u, c));
}

fn carry_from_before(row: u32, c: u32) -> Columns {
    var all = NO_ITEMS;
    all.s0 = before_of(row, c);
    if COLUMNS == 4u {
        all.s1 = before_of(row, c + PIECE);
        all.s2 = before_of(row, c + 2u * PIECE);
        all.s3 = before_of(row, c + 3u * PIECE);
    }
    return all;
}

fn carry_from_after(row: u32, c: u32) -> Columns {
    var all = NO_ITEMS;
    all.s0 = after_of(row, c);
    if COLUMNS == 4u {
        all.s1 = after_of(row, c + PIECE);
        all.s2 = after_of(row, c + 2u * PIECE);
        all.s3 = after_of(row, c + 3u * PIECE);
    }
    return all;
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
        if at_run_time(params.strips, lane) > 1u { before = carry_from_before(number, c); }
        var own = NO_ITEMS;
        for (var t = first; t < end; t += 1u) {
            if t >= params.before { own = merge_columns(own, item_columns(strip.batch, base + t - params.before, c)); }
            store_columns(base + t, c, merge_columns(before, own), false, centred);
        }
    }
    if at_run_time(params.use_after, lane) != 0u {
        var after = NO_ITEMS;
        if at_run_time(params.strips, lane) > 1u { after = carry_from_after(number, c); }
        var own = NO_ITEMS;
        for (var t = end; t > first; t -= 1u) {
            let row = base + t - 1u;
            if t - 1u + params.after < params.time { own = merge_columns(own, item_columns(strip.batch, row + params.after, c)); }
            store_columns(row, c, merge_columns(after, own), both, centred);
        }
    }
}
