// Gradients of AFT-simple (simple.wgsl) with respect to keys and values, with G of each row from mix_rows.wgsl, and H = G r:
//   dv_t' = e^k_t' a_t',  dk_t' = e^k_t' ((v_t' - centre) a_t' - b_t'),  (a, b)_t' = sum over rows t of e^(-L_t) (G_t, H_t)
//
// The last of three passes (rest_reduce, rest_scan). Where CAUSAL = 1, the sums are over t >= t': a thread walks a strip of positions
// backwards, and `carry` has the sums of the strips after it; else it has the sums of all rows. Where one strip is all there is no
// carry, and but this pass.
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], lr [B T, 2 D] of L and r, g [B T, D], carry as in simple.wgsl, dqkv [B T, 3 D]
// (its columns of dk and dv).
fn item(batch: u32, row: u32, c: u32) -> Sums {
    let g = g_at(row, c);
    return Sums(-lr_at(row, c), g, g * lr_at(row, params.width + c), vec4(0.0));
}

fn leave(batch: u32, row: u32, c: u32, sums: Sums) {
    // p <= 1: no row's L is below a key that it sees.
    let p = exp(min(key(row, c) + sums.top, vec4(0.0)));
    set_shares(batch, row, c, p * sums.a, p * sums.b);
}

@compute @workgroup_size(STRIP_GROUP)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let base = strip.batch * params.time;
    let first = strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, params.time);

    let others = carried(strip, lane);
    var own = NO_ITEMS;
    let all = end_of_all(first, end, lane);
    for (var t = first; t < all; t += 1u) { own = merge_columns(own, item_columns(strip.batch, base + t, c)); }
    for (var t = end; t > first; t -= 1u) {
        let row = base + t - 1u;
        if CAUSAL == 1u { own = merge_columns(own, item_columns(strip.batch, row, c)); }
        leave_columns(strip.batch, row, c, merge_columns(others, own));
    }
}
