// AFT-conv on a grid (Zhai et al. 2021, Eq. 6) over the keys that a position sees through taps, and the rest of them:
//   y_t = gate(q_t) * sum over t' of e^(k_t' + w_tt') v_t' / sum over t' of e^(k_t' + w_tt')
// where w_tt' is the tap in row r' - r + (S-1)/2 and column c' - c + (S-1)/2 of the kernel, if there is one, else 0. A causal
// position sees those up to its own in raster order. A row without any key gives y = 0.
//
// A thread owns four neighbouring positions of a row of the grid and four channels. It walks the keys that one of them sees
// through a tap, each loaded once, and no more than SPAN in one level of sums. From one key to the next a position takes over the tap of its left
// neighbour. What it sees without a tap comes as sums (grid_rest.wgsl).
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], taps [H, S, S], rest [3 + CENTRED, B T, D] (read where has_rest),
// y [B T, D], lr [B T, 2 D] of L and r (where CENTRED = 1, as in pairs.wgsl).
const SPAN: u32 = 256u;

// Adds the key `one`, with its tap, to the sums of a position that sees it through that.
fn add(sums: Sums, one: Sums, w: vec4<f32>, sees: bool) -> Sums {
    let s = scales(sums.top, select(vec4(ABSENT), one.top + w, sees));
    // What it does not see may hold anything.
    let none = vec4(0.0);
    return Sums(
        s.top,
        sums.a * s.one + select(none, one.a * s.other, sees),
        sums.b * s.one + select(none, one.b * s.other, sees),
        sums.c * s.one + select(none, one.c * s.other, sees),
    );
}

fn key_sums(batch: u32, row: u32, c: u32) -> Sums {
    let v = value(row, c);
    var one = Sums(key(row, c), v, vec4(1.0), vec4(0.0));
    if CENTRED == 1u { one.c = v - centre_at(batch, c); }
    // A masked key may hold anything.
    if !present(row) { return NOTHING; }
    return one;
}

fn finish(base: u32, r: u32, column: u32, c: u32, tapped: Sums, lane: u32) {
    if column >= params.grid_columns { return; }
    let row = base + r * params.grid_columns + column;
    var sums = tapped;
    if at_run_time(params.has_rest, lane) != 0u { sums = merge(tapped, stored(row, c, CENTRED == 1u)); }
    set_mean(row, c, sums);
}

@compute @workgroup_size(64)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let c = thread % params.width;
    let tiles = (params.grid_columns + 3u) / 4u;
    let number = thread / params.width;
    let batch = number / tiles / params.grid_rows;
    if batch >= params.batch { return; }
    let r = number / tiles % params.grid_rows;
    let left = number % tiles * 4u;
    let base = batch * params.time;

    let half = (params.size - 1u) / 2u;
    let causal = params.causal != 0u;
    let first_row = max(r, half) - half;
    let end_row = min(r + 1u + select(half, 0u, causal), params.grid_rows);
    let first = max(left, half) - half;
    let end = min(left + 4u + half, params.grid_columns);
    let rows_of_part = SPAN / min(end - first, SPAN);
    var s0 = NOTHING;
    var s1 = NOTHING;
    var s2 = NOTHING;
    var s3 = NOTHING;
    for (var part_x = first; part_x < end; part_x += SPAN) {
        for (var part_y = first_row; part_y < end_row; part_y += rows_of_part) {
            var p0 = NOTHING;
            var p1 = NOTHING;
            var p2 = NOTHING;
            var p3 = NOTHING;
            for (var y = part_y; y < min(part_y + rows_of_part, end_row); y += 1u) {
                // In its own row a causal position is the last that it sees.
                let ahead = select(half, 0u, causal & (y == r));
                let stop = min(min(part_x + SPAN, end), left + 4u + ahead);
                let tap_row = y + half - r;
                // The column of the first position's tap; it wraps around where there is none.
                let column = half - left;
                var w0 = tap_at(tap_row, part_x + column - 1u, c);
                var w1 = tap_at(tap_row, part_x + column - 2u, c);
                var w2 = tap_at(tap_row, part_x + column - 3u, c);
                for (var x = part_x; x < stop; x += 1u) {
                    let one = key_sums(batch, base + y * params.grid_columns + x, c);
                    let w3 = w2;
                    w2 = w1;
                    w1 = w0;
                    w0 = tap_at(tap_row, x + column, c);
                    let there = one.b.x != 0.0;
                    p0 = add(p0, one, w0, there & (x <= left + ahead));
                    p1 = add(p1, one, w1, there & (x + half >= left + 1u) & (x <= left + 1u + ahead));
                    p2 = add(p2, one, w2, there & (x + half >= left + 2u) & (x <= left + 2u + ahead));
                    p3 = add(p3, one, w3, there & (x + half >= left + 3u));
                }
            }
            s0 = merge(s0, p0);
            s1 = merge(s1, p1);
            s2 = merge(s2, p2);
            s3 = merge(s3, p3);
        }
    }
    finish(base, r, left, c, s0, lane);
    finish(base, r, left + 1u, c, s1, lane);
    finish(base, r, left + 2u, c, s2, lane);
    finish(base, r, left + 3u, c, s3, lane);
}
