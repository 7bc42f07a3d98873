// Exponentials on registers alone: four vec4s a thread, none of which waits for another. A round is 4 x 4 of them; a -> e^(term - a)
// stays near its fixed point.
// Operands: out [threads], in vec4s.
struct Params {
    threads: u32,
    rounds: u32,
    term: f32,
}

@compute @workgroup_size(64)
fn exponentials(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.threads { return; }
    let c = vec4(params.term);
    var a = vec4(f32(lane)) * 0.01;
    var b = a + 0.1;
    var d = a + 0.2;
    var e = a + 0.3;
    let rounds = at_run_time(params.rounds, lane);
    for (var round = 0u; round < rounds; round += 1u) {
        a = exp(c - a);
        b = exp(c - b);
        d = exp(c - d);
        e = exp(c - e);
    }
    out[i] = a + b + d + e;
}
