// Gradients of AFT-conv on a grid (grid.wgsl) with respect to keys and values, with G of each row from mix_rows.wgsl, H = G r:
//   dv_t' = sum over t of p_tt' G_t,  dk_t' = sum over t of p_tt' (G_t (v_t' - centre) - H_t),  p_tt' = e^(k_t' + w_tt' - L_t)
//
// A thread owns four neighbouring keys of a row of the grid and four channels. It walks the positions that see one of them
// through a tap, each loaded once, and no more than SPAN in one level of sums. From one position to the next a key takes over
// the tap of its left neighbour. Positions that see a key without a tap come as sums (grid_rest.wgsl).
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], taps [H, S, S], lr [B T, 2 D] of L and r, g [B T, D], rest [3, B T, D]
// (read where has_rest), dqkv [B T, 3 D] (its columns of dk and dv).
const SPAN: u32 = 256u;

// What a key gets: sums of p G and p H.
struct Share {
    g: vec4<f32>,
    h: vec4<f32>,
}

// What a position hands to its keys.
struct Given {
    l: vec4<f32>,
    g: vec4<f32>,
    h: vec4<f32>,
}

fn given_by(row: u32, c: u32) -> Given {
    let g = g_at(row, c);
    return Given(lr_at(row, c), g, g * lr_at(row, params.width + c));
}

fn add(share: Share, k: vec4<f32>, w: vec4<f32>, given: Given, sees: bool) -> Share {
    let p = select(vec4(0.0), exp(min(k + w - given.l, vec4(0.0))), sees);
    return Share(share.g + p * given.g, share.h + p * given.h);
}

fn joined(one: Share, other: Share) -> Share {
    return Share(one.g + other.g, one.h + other.h);
}

fn finish(batch: u32, r: u32, column: u32, c: u32, tapped: Share, lane: u32) {
    if column >= params.grid_columns { return; }
    let row = batch * params.time + r * params.grid_columns + column;
    var share = tapped;
    if at_run_time(params.has_rest, lane) != 0u {
        let sums = stored(row, c, false);
        // p <= 1: no row's L is below a key that it sees.
        let p = exp(min(key(row, c) + sums.top, vec4(0.0)));
        share = joined(tapped, Share(p * sums.a, p * sums.b));
    }
    set_shares(batch, row, c, share.g, share.h);
}

@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let c = thread % params.width;
    let tiles = (params.grid_columns + 3u) / 4u;
    let number = thread / params.width;
    let batch = number / tiles / params.grid_rows;
    if batch >= params.batch { return; }
    let r = number / tiles % params.grid_rows;
    let left = number % tiles * 4u;
    let base = batch * params.time;
    let row = base + r * params.grid_columns;
    let last = params.grid_columns - 1u;
    let k0 = key(row + left, c);
    let k1 = key(row + min(left + 1u, last), c);
    let k2 = key(row + min(left + 2u, last), c);
    let k3 = key(row + min(left + 3u, last), c);

    let half = (params.size - 1u) / 2u;
    let causal = params.causal != 0u;
    let first_row = select(max(r, half) - half, r, causal);
    let end_row = min(r + half + 1u, params.grid_rows);
    let first = max(left, half) - half;
    let end = min(left + 4u + half, params.grid_columns);
    let rows_of_part = SPAN / min(end - first, SPAN);
    var s0 = Share();
    var s1 = Share();
    var s2 = Share();
    var s3 = Share();
    for (var part_x = first; part_x < end; part_x += SPAN) {
        for (var part_y = first_row; part_y < end_row; part_y += rows_of_part) {
            var p0 = Share();
            var p1 = Share();
            var p2 = Share();
            var p3 = Share();
            for (var y = part_y; y < min(part_y + rows_of_part, end_row); y += 1u) {
                // In its own row a causal key is seen from its own column on.
                let back = select(half, 0u, causal & (y == r));
                let start = max(part_x, max(left, back) - back);
                let tap_row = r + half - y;
                // The column of the first key's tap; it wraps around where there is none.
                let column = left + half;
                var w0 = tap_at(tap_row, column + 1u - start, c);
                var w1 = tap_at(tap_row, column + 2u - start, c);
                var w2 = tap_at(tap_row, column + 3u - start, c);
                for (var x = start; x < min(part_x + SPAN, end); x += 1u) {
                    let given = given_by(base + y * params.grid_columns + x, c);
                    let w3 = w2;
                    w2 = w1;
                    w1 = w0;
                    w0 = tap_at(tap_row, column - x, c);
                    p0 = add(p0, k0, w0, given, x <= left + half);
                    p1 = add(p1, k1, w1, given, (x + back >= left + 1u) & (x <= left + 1u + half));
                    p2 = add(p2, k2, w2, given, (x + back >= left + 2u) & (x <= left + 2u + half));
                    p3 = add(p3, k3, w3, given, x + back >= left + 3u);
                }
            }
            s0 = joined(s0, p0);
            s1 = joined(s1, p1);
            s2 = joined(s2, p2);
            s3 = joined(s3, p3);
        }
    }
    finish(batch, r, left, c, s0, lane);
    finish(batch, r, left + 1u, c, s1, lane);
    finish(batch, r, left + 2u, c, s2, lane);
    finish(batch, r, left + 3u, c, s3, lane);
}
