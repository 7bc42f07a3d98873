// By what the values of a channel are shifted where gradients are taken. dk and dw are differences that cancel where V has an
// offset: an offset of 1,000 would cost three digits. They are the same for V - centre, so
//   centre = mean of v over the keys of a channel, if max |v| > 8 max |v - mean|, else 0
// (with an outlier in the channel, the mean would be no centre of the rest).
//
// LANES neighbouring threads share four channels of a sequence (lib/row_sum.wgsl, lib/row_max.wgsl).
// Operands: qkv [B T, 3 D], mask [B, T], centre [B, D].
const OFFSET: f32 = 8.0;

@compute @workgroup_size(ROW_GROUP)
fn centre_of(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = group_number(group, groups) * (ROW_GROUP / LANES) + lane / LANES;
    let inside = number < params.batch * params.width;
    let c = number % params.width;
    let batch = number / params.width;
    let time = select(0u, params.time, inside);
    var sum = vec4(0.0);
    var largest = vec4(0.0);
    var count = 0.0;
    for (var t = lane % LANES; t < time; t += LANES) {
        let row = batch * params.time + t;
        if present(row) {
            let v = value(row, c);
            sum += v;
            largest = max(largest, abs(v));
            count += 1.0;
        }
    }
    let all = vec4(row_sum(lane, sum.xy), row_sum(lane, sum.zw));
    let mean = all / max(row_sum(lane, vec2(count, 0.0)).x, 1.0);
    var spread = vec4(0.0);
    for (var t = lane % LANES; t < time; t += LANES) {
        let row = batch * params.time + t;
        if present(row) { spread = max(spread, abs(value(row, c) - mean)); }
    }
    let far = rows_max(lane, largest);
    let near = rows_max(lane, spread);
    if inside && lane % LANES == 0u { set_centre(batch, c, select(vec4(0.0), mean, far > OFFSET * near)); }
}

fn rows_max(lane: u32, v: vec4<f32>) -> vec4<f32> {
    return vec4(row_max(lane, v.x), row_max(lane, v.y), row_max(lane, v.z), row_max(lane, v.w));
}
