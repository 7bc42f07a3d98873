// By what the values of a channel are shifted where gradients are taken. dk and dw are differences that cancel where V has an
// offset: an offset of 1,000 would cost three digits. They are the same for V - centre, so
//   centre = mean of v over the keys of a channel, if max |v| > 8 max |v - mean|, else 0
// (with an outlier in the channel, the mean would be no centre of the rest).
//
// A workgroup owns four channels of a sequence. Operands: qkv [B T, 3 D], mask [B, T], centre [B, D].
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    masked: u32,
    qkv_stride: u32,
    centre_stride: u32,
}

const GROUP: u32 = 64u;
const OFFSET: f32 = 8.0;
var<workgroup> lanes: array<vec4<f32>, GROUP>;
var<workgroup> counts: array<f32, GROUP>;

@compute @workgroup_size(GROUP)
fn centre_of(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = group_number(group, groups);
    let inside = number < params.batch * params.width;
    let c = number % params.width;
    let batch = number / params.width;
    let time = select(0u, params.time, inside);
    var sum = vec4(0.0);
    var largest = vec4(0.0);
    var count = 0.0;
    for (var t = lane; t < time; t += GROUP) {
        let row = batch * params.time + t;
        if present(row) {
            let v = value(row, c);
            sum += v;
            largest = max(largest, abs(v));
            count += 1.0;
        }
    }
    lanes[lane] = sum;
    counts[lane] = count;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            lanes[lane] += lanes[lane + half];
            counts[lane] += counts[lane + half];
        }
        workgroupBarrier();
    }
    let mean = lanes[0] / max(counts[0], 1.0);
    workgroupBarrier();
    var spread = vec4(0.0);
    for (var t = lane; t < time; t += GROUP) {
        let row = batch * params.time + t;
        if present(row) { spread = max(spread, abs(value(row, c) - mean)); }
    }
    let far = join_max(lane, largest);
    let near = join_max(lane, spread);
    if inside && lane == 0u { set_centre(batch, c, select(vec4(0.0), mean, far > OFFSET * near)); }
}

// The largest of all lanes; every lane of the workgroup must call it.
fn join_max(lane: u32, mine: vec4<f32>) -> vec4<f32> {
    workgroupBarrier();
    lanes[lane] = mine;
    workgroupBarrier();
    for (var half = GROUP / 2u; half > 0u; half /= 2u) {
        if lane < half { lanes[lane] = max(lanes[lane], lanes[lane + half]); }
        workgroupBarrier();
    }
    return lanes[0];
}
