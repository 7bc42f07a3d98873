// Online softmax of attention (attention.wgsl) over panels of keys. For each row t of a panel:
//   top = largest score so far,  weight_t' = e^(s_tt' - top),  factor = e^(last top - top),  sum = factor last sum + sum of weights
// `factor` rescales the sums of earlier panels. At the last panel L = top + log(sum). A row without keys gets L = -ABSENT, so that
// its gradient has weights of 0.
//
// Operands: scores, weights [B strip, H panel], totals [B, strip, H]: (top, sum, factor), log_den [B T, H].
// Constants: LANES (lib/row_sum.wgsl).
@compute @workgroup_size(ROW_GROUP)
fn softmax(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = (group_number(group, groups) * ROW_GROUP + lane) / LANES;
    let heads = params.batch * params.heads;
    let there = item < heads * params.rows;
    let row = item / heads;
    let here = place_of(item % heads);
    // Causal: scores after the row's own key were not stored.
    let own = (params.first_row + row - params.first_key) / 4u + 1u;
    let end = select(0u, min((params.keys + 3u) / 4u, select(own, 0xffffffffu, params.causal == 0u)), there);
    let plane_row = here.strip + row;

    var most = vec4(LOWEST);
    for (var c = lane % LANES; c < end; c += LANES) { most = max(most, scores_at(plane_row, here.pairs + c)); }
    let high = row_max(lane, max(max(most.x, most.y), max(most.z, most.w)));
    var kept = vec4(LOWEST, 0.0, 0.0, 0.0);
    let at = plane_row * params.heads + here.head;
    if params.first == 0u && there { kept = totals[at]; }
    let top = max(high, kept.x);
    var total = vec4(0.0);
    for (var c = lane % LANES; c < end; c += LANES) {
        let weight = exp(scores_at(plane_row, here.pairs + c) - top);
        set_weights(plane_row, here.pairs + c, weight);
        total += weight;
    }
    let factor = exp(kept.x - top);
    let den = row_sum(lane, vec2(dot(total, vec4(1.0)), 0.0)).x + factor * kept.y;
    if there && lane % LANES == 0u {
        totals[at] = vec4(top, den, factor, 0.0);
        let empty = den == 0.0;
        log_den[(here.row + row) * params.heads + here.head] = select(top + log(select(den, 1.0, empty)), -ABSENT, empty);
    }
}
