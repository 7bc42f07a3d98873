// As fma.wgsl, in half precision, where a device grants shader-f16. A round is 12 x 4 x 2 operations.
// Operands: out [threads], in vec4s.
struct Params {
    threads: u32,
    rounds: u32,
    factor: f32,
    term: f32,
}

@compute @workgroup_size(64)
fn multiply_add(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.threads { return; }
    let m = vec4<f16>(f16(params.factor));
    let c = vec4<f16>(f16(params.term));
    let start = vec4<f16>(f16(lane) * 0.0625h) + vec4<f16>(0.0h, 0.25h, 0.5h, 0.75h);
    var a = start;
    var b = start + 1.0h;
    var d = start + 2.0h;
    var e = start + 3.0h;
    var f = start + 4.0h;
    var g = start + 5.0h;
    var h = start + 6.0h;
    var j = start + 7.0h;
    var k = start + 8.0h;
    var l = start + 9.0h;
    var n = start + 10.0h;
    var o = start + 11.0h;
    let rounds = at_run_time(params.rounds, lane);
    for (var round = 0u; round < rounds; round += 1u) {
        a = a * m + c;
        b = b * m + c;
        d = d * m + c;
        e = e * m + c;
        f = f * m + c;
        g = g * m + c;
        h = h * m + c;
        j = j * m + c;
        k = k * m + c;
        l = l * m + c;
        n = n * m + c;
        o = o * m + c;
    }
    out[i] = vec4<f32>(a + b + d + e + f + g + h + j + k + l + n + o);
}
