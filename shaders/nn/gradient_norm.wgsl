// First step of the global norm sqrt(sum of g^2): sums of squares over equal spans of a page of gradients, which
// train_state.wgsl adds up. LANES lanes share a span, each in blocks, which keeps sums accurate for any page.
//
// Operands: grad [N], partials [P]: `spans` sums from `offset` on.
// Constants: LANES, lanes that share a span (lib/row_sum.wgsl).
const SUM_BLOCK: u32 = 64u * LANES;

@compute @workgroup_size(ROW_GROUP)
fn sum_squares(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let span = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let first = lane % LANES;
    let inside = span < params.spans;
    let end = select(0u, min((span + 1u) * params.span, params.len), inside);

    var sum = 0.0;
    for (var block = span * params.span + first; block < end; block += SUM_BLOCK) {
        var part = vec4(0.0);
        for (var i = block; i < min(block + SUM_BLOCK, end); i += LANES) {
            let g = grad[i];
            part += g * g;
        }
        sum += dot(part, vec4(1.0));
    }
    sum = row_sum(lane, vec2(sum, 0.0)).x;
    if inside && first == 0u { partials[params.offset + span] = sum; }
}
