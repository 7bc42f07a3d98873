// Multiplications and additions on registers alone: twelve vec4s a thread, none of which waits for another. What bounds every
// kernel whose work is arithmetic. A round is 12 x 4 x 2 operations. Real is f32, or f16 where a device grants that: see the host.
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
    let m = vec4(Real(params.factor));
    let c = vec4(Real(params.term));
    let start = vec4(Real(lane)) + vec4<Real>(0.0, 0.25, 0.5, 0.75);
    var a = start;
    var b = start + 1.0;
    var d = start + 2.0;
    var e = start + 3.0;
    var f = start + 4.0;
    var g = start + 5.0;
    var h = start + 6.0;
    var j = start + 7.0;
    var k = start + 8.0;
    var l = start + 9.0;
    var n = start + 10.0;
    var o = start + 11.0;
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
