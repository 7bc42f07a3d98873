// A matrix product out = A B with tiles in workgroup memory, for GPUs: 128 threads share a tile of 64 x 64 outputs and stage 16
// of the inner index at a time in 8 KiB of workgroup memory. A thread keeps 8 rows x 4 columns in registers.
//
// The kernel defines the same functions as for lib/gemm_direct.wgsl.
// Constants: COLUMN_SUMS, whether to sum B's columns.
// reads: COLUMN_SUMS, a_block, b_block, depth, out_cols, out_rows, slices, store, store_sums
const GEMM_GROUP: u32 = 128u;
const GEMM_ROWS: u32 = 64u; // of a tile
const SIDE: u32 = 16u; // vec4s, or blocks of 4 rows, along a side of the tile
const STEP: u32 = 4u; // vec4s of the inner index staged at a time

var<workgroup> tile_a: array<vec4<f32>, STEP * SIDE * 4u>; // [d, row], a vec4 along the inner index
var<workgroup> tile_b: array<vec4<f32>, STEP * 4u * SIDE>; // [inner, col]

fn gemm(group: u32, lane: u32) {
    let col_tiles = (out_cols() + SIDE - 1u) / SIDE;
    let row_tiles = (out_rows() + 4u * SIDE - 1u) / (4u * SIDE);
    let slice = group / (col_tiles * row_tiles);
    if slice >= slices() { return; }
    let first_col = group % col_tiles * SIDE;
    let first_block = (group / col_tiles) % row_tiles * SIDE;
    let x = lane % SIDE;
    let y = lane / SIDE;

    var acc: array<mat4x4<f32>, 2>;
    var sums: vec4<f32>;
    let range = depth(slice, first_block);
    for (var d = range.x; d < range.y; d += STEP) {
        workgroupBarrier();
        stage(lane, d, range.y, first_block, first_col);
        workgroupBarrier();
        for (var k = 0u; k < STEP; k += 1u) {
            let at = 4u * k * SIDE + x;
            let b = mat4x4(tile_b[at], tile_b[at + SIDE], tile_b[at + 2u * SIDE], tile_b[at + 3u * SIDE]);
            let row = 4u * k * SIDE + 8u * y;
            acc[0] += b * mat4x4(tile_a[row], tile_a[row + 1u], tile_a[row + 2u], tile_a[row + 3u]);
            acc[1] += b * mat4x4(tile_a[row + 4u], tile_a[row + 5u], tile_a[row + 6u], tile_a[row + 7u]);
            if COLUMN_SUMS != 0u { sums += b * vec4(1.0); }
        }
    }

    let c = first_col + x;
    if c >= out_cols() { return; }
    for (var i = 0u; i < 8u; i += 1u) {
        let row = 4u * first_block + 8u * y + i;
        if row < out_rows() { store(row, c, acc[i / 4u][i % 4u], slice); }
    }
    if COLUMN_SUMS != 0u && first_block == 0u && y == 0u { store_sums(c, sums, slice); }
}

// Half of the threads stage a block of A each, the other half a block of B. Both are zero past the end of the inner index.
fn stage(lane: u32, d: u32, end: u32, first_block: u32, first_col: u32) {
    let n = lane % 64u;
    var block: mat4x4<f32>;
    if lane < 64u {
        let k = n % STEP;
        let i = n / STEP;
        if d + k < end { block = a_block(first_block + i, d + k); }
        let at = 4u * (k * SIDE + i);
        tile_a[at] = block[0];
        tile_a[at + 1u] = block[1];
        tile_a[at + 2u] = block[2];
        tile_a[at + 3u] = block[3];
    } else {
        let j = n % SIDE;
        let k = n / SIDE;
        if d + k < end { block = b_block(d + k, first_col + j); }
        let at = 4u * k * SIDE + j;
        tile_b[at] = block[0];
        tile_b[at + SIDE] = block[1];
        tile_b[at + 2u * SIDE] = block[2];
        tile_b[at + 3u * SIDE] = block[3];
    }
}
