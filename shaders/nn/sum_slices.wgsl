// Last step of a parameter gradient that was summed in slices: out = (out +) sum over slices of part, in slice order.
//
// Operands: part [S, N], out: the first `first_len` vec4s, then the rest at `second_offset`.
@compute @workgroup_size(64)
fn sum_slices(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.len { return; }
    var sum = vec4(0.0);
    let slices = at_run_time(params.slices, lane);
    for (var slice = 0u; slice < slices; slice += 1u) { sum += part[slice * params.len + i]; }
    let at = select(i - params.first_len + params.second_offset, i, i < params.first_len);
    if at_run_time(params.accumulate, lane) != 0u { sum += out[at]; }
    out[at] = sum;
}
