// The term that attention_grad_scores.wgsl subtracts from every key of a row, because the weights of a row sum to 1:
//   delta_t = dy_t y_t / sqrt(D / H), per head
//
// Operands: y, dy [B T, D], delta [B T, H].
@compute @workgroup_size(64)
fn delta_of(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let item = group_number(group, groups) * 64u + lane;
    let row = item / params.heads;
    if row >= params.batch * params.time { return; }
    let column = item % params.heads * params.head_width;
    var sum = 0.0;
    for (var c = column; c < column + params.head_width; c += 1u) { sum += dot(dy_at(row, c), (params.scale * y_at(row, c))); }
    delta[item] = sum;
}
