// Gradients of AFT (pairs.wgsl) with respect to keys and values, with G of each row from mix_rows.wgsl, and H = G r:
//   dv_t' = sum over t of p_tt' G_t,  dk_t' = sum over t of p_tt' (G_t (v_t' - centre) - H_t),  p_tt' = e^(k_t' + w_tt' - L_t)
//
// A thread owns a tile of four keys and four channels and walks the blocks of four rows that see them. Rows that see a key
// without a bias come as sums (rest.wgsl). Where not all rows are at hand at once, a dispatch takes rows first_row .. + rows and
// the `tiles` from `first_tile` on that these see, and leaves its sums in `kept`, in two levels (lib/aft_turn.wgsl). The last one
// for a tile stores its gradients.
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], bias (lib/aft_biases.wgsl), lr [B T, 2 D] of L and r, g [B T, D], kept:
// sums of p G and p H over panels, of levels before and, if a level is more than one panel, of this one [2 or 4, B T, D]; where
// has_rest it has the sums of rest.wgsl at first [3, B T, D]; dqkv [B T, 3 D] (its columns of dk and dv).
// Blocks of four rows that are summed before they are added to the rest.
const SPAN: u32 = 64u;

// Sums of p G and p H for four keys.
struct Shares {
    g: mat4x4<f32>,
    h: mat4x4<f32>,
}

// What row t adds for the keys of a tile.
fn add_row(shares: Shares, base: u32, t: u32, end: u32, k: mat4x4<f32>, block: u32, c: u32) -> Shares {
    let row = base + min(t, params.time - 1u);
    let l = lr_at(row, c);
    let g = g_at(row, c);
    let h = g * lr_at(row, params.width + c);
    let w = biases(min(t, end - 1u), block, c);
    let sees = seen(t, block) & vec4(t < end);
    let none = vec4(0.0);
    let p0 = select(none, exp(min(k[0] + w[0] - l, none)), sees.x);
    let p1 = select(none, exp(min(k[1] + w[1] - l, none)), sees.y);
    let p2 = select(none, exp(min(k[2] + w[2] - l, none)), sees.z);
    let p3 = select(none, exp(min(k[3] + w[3] - l, none)), sees.w);
    return Shares(
        mat4x4(shares.g[0] + p0 * g, shares.g[1] + p1 * g, shares.g[2] + p2 * g, shares.g[3] + p3 * g),
        mat4x4(shares.h[0] + p0 * h, shares.h[1] + p1 * h, shares.h[2] + p2 * h, shares.h[3] + p3 * h),
    );
}

fn store(batch: u32, t: u32, c: u32, pairs_g: vec4<f32>, pairs_h: vec4<f32>, turn: Turn, lane: u32) {
    if t >= params.time { return; }
    let row = batch * params.time + t;
    let at = row * params.width + c;
    let part = params.batch * params.time * params.width;
    let has_rest = at_run_time(params.has_rest, lane) != 0u;
    var g = pairs_g;
    var h = pairs_h;
    var rest_g = vec4(0.0);
    var rest_h = vec4(0.0);
    if has_rest & turn.first {
        // p <= 1: no row's L is below a key that it sees.
        let p = exp(min(key(row, c) + kept[at], vec4(0.0)));
        rest_g = p * kept[at + part];
        rest_h = p * kept[at + 2u * part];
    }
    if turn.adds {
        g += kept[at + 2u * part];
        h += kept[at + 3u * part];
    }
    if !turn.folds {
        kept[at + 2u * part] = g;
        kept[at + 3u * part] = h;
        if !(has_rest & turn.first) { return; }
        g = vec4(0.0);
        h = vec4(0.0);
    }
    g += rest_g;
    h += rest_h;
    // The rest of the rows is among the levels before.
    if turn.follows | (has_rest & !turn.first) {
        g += kept[at];
        h += kept[at + part];
    }
    if !turn.last {
        kept[at] = g;
        kept[at + part] = h;
        return;
    }
    set_shares(batch, row, c, g, h);
}

@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let c = thread % params.width;
    let batch = thread / params.width / params.tiles;
    if batch >= params.batch { return; }
    let past = (params.first_tile + thread / params.width % params.tiles) * 4u;
    let base = batch * params.time;
    let last = params.time - 1u;
    let k = mat4x4(
        key(base + past, c), key(base + min(past + 1u, last), c),
        key(base + min(past + 2u, last), c), key(base + min(past + 3u, last), c),
    );

    let end = min(params.first_row + params.rows, params.time);
    let blocks = blocks_of_rows(past);
    let stop_row = min(blocks.y, (end + 3u) / 4u);
    var all = Shares();
    var block = max(blocks.x, params.first_row / 4u);
    while block < stop_row {
        var part = Shares();
        let stop = min(block + SPAN, stop_row);
        for (; block < stop; block += 1u) {
            part = add_row(part, base, 4u * block, end, k, past / 4u, c);
            part = add_row(part, base, 4u * block + 1u, end, k, past / 4u, c);
            part = add_row(part, base, 4u * block + 2u, end, k, past / 4u, c);
            part = add_row(part, base, 4u * block + 3u, end, k, past / 4u, c);
        }
        all.g += part.g;
        all.h += part.h;
    }
    let turn = turn_of(blocks, lane);
    store(batch, past, c, all.g[0], all.h[0], turn, lane);
    store(batch, past + 1u, c, all.g[1], all.h[1], turn, lane);
    store(batch, past + 2u, c, all.g[2], all.h[2], turn, lane);
    store(batch, past + 3u, c, all.g[3], all.h[3], turn, lane);
}
