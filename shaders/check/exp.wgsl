// The exponential of every element, to measure this adapter's accuracy. One vec4 a thread.
// Operands: x [N], y [N], in vec4s.
@compute @workgroup_size(64)
fn exponential(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = group_number(group, groups) * 64u + lane;
    if i >= params.vec4s { return; }
    y[i] = exp(x[i]);
}
