// The second pass of rest.wgsl, grid_rest.wgsl and simple.wgsl: carries from totals. The carry of a strip is the sum of all strips
// before it (after it, if `backward`); or, if `whole`, there is but one, the sum of all strips. A thread walks the strips of four
// channels of a sequence; sums are in two levels, of blocks and within a block.
//
// Operands: total [4 B strips, D], carry [4 B strips, D] or [4 B, D].
const SCAN_BLOCK: u32 = 32u;

fn store(row: u32, c: u32, carry: Sums) {
    set_carry(row, c, carry.top);
    set_carry(row + 1u, c, carry.a);
    set_carry(row + 2u, c, carry.b);
    set_carry(row + 3u, c, carry.c);
}

@compute @workgroup_size(64)
fn scan(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    if thread >= params.batch * params.width { return; }
    let c = thread % params.width;
    let first = thread / params.width * params.strips;
    var finished = NOTHING;
    var running = NOTHING;
    let strips = at_run_time(params.strips, lane);
    let whole = at_run_time(params.whole, lane) != 0u;
    for (var i = 0u; i < strips; i += 1u) {
        if i % SCAN_BLOCK == 0u {
            finished = merge(finished, running);
            running = NOTHING;
        }
        let row = 4u * (first + select(i, params.strips - 1u - i, params.backward != 0u));
        if !whole { store(row, c, merge(finished, running)); }
        running = merge(running, Sums(total_at(row, c), total_at(row + 1u, c), total_at(row + 2u, c), total_at(row + 3u, c)));
    }
    if whole { store(4u * (thread / params.width), c, merge(finished, running)); }
}
