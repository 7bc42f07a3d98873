// The gradient of biases that are parameters themselves (dense.wgsl), from that of the blocks: dw is what dbias has for the key,
// and 0 where w is not read.
//
// A thread owns an entry of dw. Operands: dbias [rows, columns], out [rows, w_columns] floats.
@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let column = thread % params.w_columns;
    let n = thread / params.w_columns;
    if n >= params.rows { return; }
    let t = params.first_row + n;
    let key = select(i32(column), i32(t) + i32(column) - i32(params.origin), params.relative != 0u);
    var dw = 0.0;
    if key >= 0 && key < i32(params.time) {
        let block = u32(key) / 4u;
        let i = u32(key) % 4u;
        if seen(t, block)[i] { dw = dbias_at(n, column_of(t, block))[i]; }
    }
    let at = n * params.w_stride + column;
    if at_run_time(params.accumulate, lane) != 0u { dw += out[at]; }
    out[at] = dw;
}
