// Sum over the lanes that share a row: LANES neighbouring lanes (a power of two, 1 to 64) of a workgroup of 64. LANES = 1 needs
// no workgroup memory. The order of the sum is fixed.
// reads: LANES
const ROW_GROUP: u32 = 64u;
var<workgroup> row_partial: array<vec2<f32>, ROW_GROUP>;

// Every lane of the workgroup must call it.
fn row_sum(lane: u32, value: vec2<f32>) -> vec2<f32> {
    if LANES == 1u { return value; }
    workgroupBarrier();
    row_partial[lane] = value;
    workgroupBarrier();
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        if lane % LANES < width { row_partial[lane] += row_partial[lane + width]; }
        workgroupBarrier();
    }
    return row_partial[lane - lane % LANES];
}
