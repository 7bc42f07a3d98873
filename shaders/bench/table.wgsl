// Sums of a uniform table's entries: measures reads of a uniform buffer. A round reads four of 1,024 vec4s, from another start in
// each lane and round.
// Operands: entries [1024], out [threads], in vec4s.
@compute @workgroup_size(64)
fn sum_table(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.threads { return; }
    var sum = vec4(0.0);
    let rounds = at_run_time(params.rounds, lane);
    for (var round = 0u; round < rounds; round += 1u) {
        let first = 4u * (round + lane) % 1024u;
        sum += (entries[first] + entries[first + 1u]) + (entries[first + 2u] + entries[first + 3u]);
    }
    out[i] = sum;
}
