// AFT-simple (Zhai et al. 2021, Eq. 5), what every form is without biases:
//   y_t = gate(q_t) * sum over t' of e^k_t' v_t' / sum over t' of e^k_t'
// Where CENTRED = 1, L_t is the log of the lower sum, and r_t the same mean of v - centre. A row without any key gives y = 0.
//
// The last of three passes (rest_reduce, rest_scan): a thread walks a strip of positions. Where CAUSAL = 1, `carry` has the sums of
// the strips before, which stay apart from the strip's own until a row is stored, so that no sum is longer than a strip; else it has
// the sums of all keys. Where one strip is all there is no carry, and but this pass.
//
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D], carry [4 B strips, D] or [4 B, D] (read where there is more than one strip),
// y [B T, D], lr [B T, 2 D] of L and r.
fn item(batch: u32, row: u32, c: u32) -> Sums {
    if !present(row) { return NOTHING; }
    let v = value(row, c);
    var sums = Sums(key(row, c), v, vec4(1.0), vec4(0.0));
    if CENTRED == 1u { sums.c = v - centre_at(batch, c); }
    return sums;
}

fn leave(batch: u32, row: u32, c: u32, sums: Sums) {
    set_mean(row, c, sums);
}

@compute @workgroup_size(STRIP_GROUP)
fn simple(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
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
    for (var t = first; t < end; t += 1u) {
        if CAUSAL == 1u { own = merge_columns(own, item_columns(strip.batch, base + t, c)); }
        leave_columns(strip.batch, base + t, c, merge_columns(others, own));
    }
}
