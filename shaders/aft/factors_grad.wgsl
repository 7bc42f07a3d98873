// Gradients of the factors of biases (factors.wgsl):
//   du_t = sum over t' of dw_tt' v_t',   dv_t' = sum over t of dw_tt' u_t
//
// One of them a dispatch: `factor` is the other factor, and `transposed` says that the gradient is v's. A thread owns four
// positions of the gradient, of those from `first` to before `stop`, and four ranks, and walks the blocks of dbias that touch them;
// SPAN blocks are summed before they are added to the rest. Rows first_row .. + rows are at hand: dv is a sum over panels, in two
// levels (lib/aft_turn.wgsl). Positions past T get 0.
//
// Operands: dbias (lib/aft_seen.wgsl; 0 where a row does not see), factor [T, R], kept [T, R]: sums of this level, if it is more than
// one panel; out [T, R] or longer, with sums of levels before.
const SPAN: u32 = 64u;

// dw of four rows and the four keys of a block: column i is row i.
fn dw_of(t: u32, block: u32, end: u32) -> mat4x4<f32> {
    let none = vec4(0.0);
    let j = column_of(t, block);
    let row = t - params.first_row;
    let most = end - 1u - params.first_row;
    return mat4x4(
        dbias_at(row, j),
        select(none, dbias_at(min(row + 1u, most), j), row + 1u <= most),
        select(none, dbias_at(min(row + 2u, most), j), row + 2u <= most),
        select(none, dbias_at(min(row + 3u, most), j), row + 3u <= most),
    );
}

// Four positions of the other factor, for four ranks.
fn factors_of(t: u32, width: u32, c: u32) -> mat4x4<f32> {
    let last = params.time - 1u;
    return mat4x4(
        factor_at(t * width + c), factor_at(min(t + 1u, last) * width + c),
        factor_at(min(t + 2u, last) * width + c), factor_at(min(t + 3u, last) * width + c),
    );
}

@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let width = (params.rank + 3u) / 4u;
    let c = thread % width;
    let by_keys = params.transposed != 0u;
    let end = min(params.first_row + params.rows, params.time);
    let t = params.first + thread / width * 4u;
    if t >= params.stop { return; }
    let beyond = t >= params.time;
    let sees = blocks_of_rows(t);
    let rows = vec2(max(sees.x, params.first_row / 4u), min(sees.y, (end + 3u) / 4u));
    let blocks = select(select(blocks_of_keys(t), rows, vec2(by_keys)), vec2(0u), vec2(beyond));

    // Column i is position i of the tile.
    var sums: mat4x4<f32>;
    var block = blocks.x;
    while block < blocks.y {
        var part = mat4x4<f32>();
        let stop = min(block + SPAN, blocks.y);
        for (; block < stop; block += 1u) {
            var dw = dw_of(select(t, 4u * block, by_keys), select(block, t / 4u, by_keys), end);
            if by_keys { dw = transpose(dw); }
            part += factors_of(4u * block, width, c) * dw;
        }
        sums += part;
    }
    var turn = Turn(true, true, false, true, false);
    if by_keys & !beyond { turn = turn_of(sees, lane); }
    let accumulate = at_run_time(params.accumulate, lane) != 0u;
    for (var i = 0u; i < 4u; i += 1u) {
        if t + i >= params.stop { break; }
        let at = (t + i) * width + c;
        var sum = sums[i];
        if turn.adds { sum += kept[at]; }
        if !turn.folds {
            kept[at] = sum;
            continue;
        }
        if accumulate | turn.follows { sum += out[at]; }
        out[at] = sum;
    }
}
