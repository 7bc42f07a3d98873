// AFT over keys that a row sees through a bias, pair by pair (Zhai et al. 2021, Eq. 2, 4 and 6), and the rest of them:
//   y_t = gate(q_t) * sum over t' of e^(k_t' + w_tt') v_t' / sum over t' of e^(k_t' + w_tt')
// Where CENTRED = 1, L_t is the log of the lower sum, and r_t the same mean of v - centre. A row without any key gives y = 0.
//
// A thread owns TILES tiles of four rows and four channels and walks the blocks of four keys that its rows see, a span of them for
// one tile after the other: on a processor a span stays in its caches for that. No quantity of a row is taken over a key that it does
// not see. What a row sees without a bias comes as sums (rest.wgsl). Constants: TILES, GROUP (the threads of a workgroup), CENTRED.
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], bias (lib/aft_biases.wgsl), rest [3 + CENTRED, B T, D] (read where
// has_rest), y [B T, D], lr [B T, 2 D] of L and r. Rows first_row .. + rows of every sequence are computed.
// Blocks of four keys that are summed before they are added to the rest.
const SPAN: u32 = 64u;

// A block of keys: column i is key i.
struct Keys {
    k: mat4x4<f32>,
    v: mat4x4<f32>,
    present: vec4<bool>,
}

fn keys_of(base: u32, block: u32, c: u32) -> Keys {
    let first = 4u * block;
    let last = params.time - 1u;
    let r0 = base + min(first, last);
    let r1 = base + min(first + 1u, last);
    let r2 = base + min(first + 2u, last);
    let r3 = base + min(first + 3u, last);
    return Keys(
        mat4x4(key(r0, c), key(r1, c), key(r2, c), key(r3, c)),
        mat4x4(value(r0, c), value(r1, c), value(r2, c), value(r3, c)),
        vec4(present(r0), present(r1), present(r2), present(r3)),
    );
}

fn add(sums: Sums, keys: Keys, w: mat4x4<f32>, sees: vec4<bool>, batch: u32, c: u32) -> Sums {
    let here = sees & keys.present;
    let none = vec4(0.0);
    let x0 = select(vec4(ABSENT), keys.k[0] + w[0], here.x);
    let x1 = select(vec4(ABSENT), keys.k[1] + w[1], here.y);
    let x2 = select(vec4(ABSENT), keys.k[2] + w[2], here.z);
    let x3 = select(vec4(ABSENT), keys.k[3] + w[3], here.w);
    let top = max(max(x0, x1), max(x2, x3));
    let e0 = select(none, exp(x0 - top), here.x);
    let e1 = select(none, exp(x1 - top), here.y);
    let e2 = select(none, exp(x2 - top), here.z);
    let e3 = select(none, exp(x3 - top), here.w);
    let v0 = select(none, keys.v[0], here.x);
    let v1 = select(none, keys.v[1], here.y);
    let v2 = select(none, keys.v[2], here.z);
    let v3 = select(none, keys.v[3], here.w);
    var block = Sums(top, e0 * v0 + e1 * v1 + e2 * v2 + e3 * v3, e0 + e1 + e2 + e3, none);
    if CENTRED == 1u {
        let mid = centre_at(batch, c);
        block.c = e0 * (v0 - mid) + e1 * (v1 - mid) + e2 * (v2 - mid) + e3 * (v3 - mid);
    }
    return merge(sums, block);
}

// Sums of four rows.
struct Tile {
    s0: Sums,
    s1: Sums,
    s2: Sums,
    s3: Sums,
}

const NO_KEYS = Tile(NOTHING, NOTHING, NOTHING, NOTHING);

// `tile`, and of the blocks in `span` those that its rows t .. t + 3 see.
fn with_span(tile: Tile, span: u32, t: u32, batch: u32, c: u32) -> Tile {
    let base = batch * params.time;
    let last = params.time - 1u;
    let t1 = min(t + 1u, last);
    let t2 = min(t + 2u, last);
    let t3 = min(t + 3u, last);
    let blocks = blocks_of_keys(t);
    var p0 = NOTHING;
    var p1 = NOTHING;
    var p2 = NOTHING;
    var p3 = NOTHING;
    for (var block = max(span, blocks.x); block < min(span + SPAN, blocks.y); block += 1u) {
        let keys = keys_of(base, block, c);
        p0 = add(p0, keys, biases(t, block, c), seen(t, block), batch, c);
        p1 = add(p1, keys, biases(t1, block, c), seen(t1, block), batch, c);
        p2 = add(p2, keys, biases(t2, block, c), seen(t2, block), batch, c);
        p3 = add(p3, keys, biases(t3, block, c), seen(t3, block), batch, c);
    }
    return Tile(merge(tile.s0, p0), merge(tile.s1, p1), merge(tile.s2, p2), merge(tile.s3, p3));
}

fn store_tile(tile: Tile, base: u32, t: u32, c: u32, end: u32, lane: u32) {
    store(base, t, c, tile.s0, end, lane);
    store(base, t + 1u, c, tile.s1, end, lane);
    store(base, t + 2u, c, tile.s2, end, lane);
    store(base, t + 3u, c, tile.s3, end, lane);
}

fn store(base: u32, t: u32, c: u32, biased: Sums, end: u32, lane: u32) {
    if t >= end { return; }
    var sums = biased;
    if at_run_time(params.has_rest, lane) != 0u { sums = merge(biased, stored(base + t, c, CENTRED == 1u)); }
    set_mean(base + t, c, sums);
}

@compute @workgroup_size(GROUP)
fn forward(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * GROUP + lane;
    let c = thread % params.width;
    let rows = 4u * TILES;
    let threads = (params.rows + rows - 1u) / rows;
    let batch = thread / params.width / threads;
    if batch >= params.batch { return; }
    let first = params.first_row + thread / params.width % threads * rows;
    let end = min(params.first_row + params.rows, params.time);
    let base = batch * params.time;

    let blocks = vec2(blocks_of_keys(first).x, blocks_of_keys(min(first + rows, end) - 1u).y);
    if TILES == 1u {
        var tile = NO_KEYS;
        for (var span = blocks.x; span < blocks.y; span += SPAN) { tile = with_span(tile, span, first, batch, c); }
        store_tile(tile, base, first, c, end, lane);
        return;
    }
    var tiles: array<Tile, TILES>;
    for (var i = 0u; i < TILES; i += 1u) { tiles[i] = NO_KEYS; }
    for (var span = blocks.x; span < blocks.y; span += SPAN) {
        for (var i = 0u; i < TILES; i += 1u) {
            let t = first + 4u * i;
            if t < end { tiles[i] = with_span(tiles[i], span, t, batch, c); }
        }
    }
    for (var i = 0u; i < TILES; i += 1u) { store_tile(tiles[i], base, first + 4u * i, c, end, lane); }
}
