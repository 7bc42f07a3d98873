// Maximum over the lanes that share a row. Joined after row_sum.wgsl, whose lanes and workgroup memory it uses.
// Every lane of the workgroup must call it.
// reads: LANES, row_partial
fn row_max(lane: u32, value: f32) -> f32 {
    if LANES == 1u { return value; }
    workgroupBarrier();
    row_partial[lane].x = value;
    workgroupBarrier();
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        if lane % LANES < width { row_partial[lane].x = max(row_partial[lane].x, row_partial[lane + width].x); }
        workgroupBarrier();
    }
    return row_partial[lane - lane % LANES].x;
}
