// The first of the passes of rest.wgsl, grid_rest.wgsl and simple.wgsl: the sums of the items that join a strip while it is walked.
// Strip j takes the items C j + ahead - back .. C (j+1) + ahead - back of the sequence, where C is strip_rows and one of ahead and back
// is 0.
//
// Operands: those of lib/aft_items.wgsl, total [4 B strips, D].
// Items that are summed before they are added to the rest.
const SPAN: u32 = 256u;

fn leave(batch: u32, row: u32, c: u32, sums: Sums) {
    set_total(row, c, sums.top);
    set_total(row + 1u, c, sums.a);
    set_total(row + 2u, c, sums.b);
    set_total(row + 3u, c, sums.c);
}

@compute @workgroup_size(STRIP_GROUP)
fn reduce(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let start = strip.number * params.strip_rows + params.ahead;
    let first = max(start, params.back) - params.back;
    let end = min(max(start + params.strip_rows, params.back) - params.back, params.time);
    var sums = NO_ITEMS;
    for (var part = first; part < end; part += SPAN) {
        var own = NO_ITEMS;
        for (var t = part; t < min(part + SPAN, end); t += 1u) {
            own = merge_columns(own, item_columns(strip.batch / params.centre_share, strip.batch * params.time + t, c));
        }
        sums = merge_columns(sums, own);
    }
    leave_columns(strip.batch, (strip.batch * params.strips + strip.number) * 4u, c, sums);
}
