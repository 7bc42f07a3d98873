// Gradients of the factors of a band (band.wgsl):
//   du_t = sum over t' of dw_tt' v_t',   dv_t' = sum over t of dw_tt' u_t
//
// One of them a dispatch: `factor` is the other factor, and `transposed` says that the gradient is v's. A thread owns four rows
// of the gradient and four ranks, and walks the blocks of dband that touch them; SPAN blocks are summed before they are added
// to the rest.
//
// Operands: dband [T, ages] in blocks (0 outside the window), factor [T, R], out [T, R].
struct Params {
    time: u32,
    rank: u32,
    ages: u32,
    transposed: u32,
    accumulate: u32,
    dband_stride: u32,
    factor_base: u32,
}

const SPAN: u32 = 64u;

@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let width = (params.rank + 3u) / 4u;
    let c = thread % width;
    let tile = thread / width;
    let tiles = (params.time + 3u) / 4u;
    if tile >= tiles { return; }
    let last = params.time - 1u;
    // A tile of rows sees the keys of this and earlier tiles; a tile of keys is seen by this and later ones.
    let ages = min(params.ages, select(tile + 1u, tiles - tile, params.transposed != 0u));

    // Column r is row r of the tile.
    var sums: mat4x4<f32>;
    for (var span = 0u; span < ages; span += SPAN) {
        var part: mat4x4<f32>;
        for (var age = span; age < min(span + SPAN, ages); age += 1u) {
            let partner = 4u * select(tile - age, tile + age, params.transposed != 0u);
            let row = select(4u * tile, partner, params.transposed != 0u);
            // Past the sequence there is nothing in any row.
            let none = vec4(0.0);
            var dw = mat4x4(
                dband_at(row, age),
                select(none, dband_at(min(row + 1u, last), age), row + 1u <= last),
                select(none, dband_at(min(row + 2u, last), age), row + 2u <= last),
                select(none, dband_at(min(row + 3u, last), age), row + 3u <= last),
            );
            if params.transposed != 0u { dw = transpose(dw); }
            let f = mat4x4(
                factor_at(partner * width + c), factor_at(min(partner + 1u, last) * width + c),
                factor_at(min(partner + 2u, last) * width + c), factor_at(min(partner + 3u, last) * width + c),
            );
            part += f * dw;
        }
        sums += part;
    }
    for (var r = 0u; r < 4u; r += 1u) {
        let row = 4u * tile + r;
        if row <= last {
            let at = row * width + c;
            if params.accumulate != 0u { sums[r] += out[at]; }
            out[at] = sums[r];
        }
    }
}
