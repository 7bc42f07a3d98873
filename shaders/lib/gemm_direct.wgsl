// A matrix product out = A B without workgroup memory, for drivers that run shaders on the CPU: a thread keeps 16 rows x 8
// columns in registers and loads its operands directly. The tile is unrolled by hand: not every compiler unrolls loops, and a
// register array with a loop index goes to memory (measured on lavapipe: 3 to 6 times slower).
//
// The kernel defines out_rows(); out_cols() in vec4s; slices(); depth(slice, block), the range of the inner index in vec4s for a
// tile with first row 4 block; a_block(i, d) = A[4i .., 4d ..] and b_block(d, j) = B[4d .., 4j ..], row by row;
// store(row, col, value, slice) and store_sums(col, value, slice).
// Constants: COLUMN_SUMS, whether to sum B's columns.
// reads: COLUMN_SUMS, a_block, at_run_time, b_block, depth, out_cols, out_rows, slices, store, store_sums
const GEMM_GROUP: u32 = 16u;
const GEMM_ROWS: u32 = 16u; // of a tile
const ROW_BLOCKS: u32 = 4u; // blocks of 4 rows a thread
const COLS: u32 = 2u; // vec4s a thread

fn gemm(group: u32, lane: u32) {
    let col_tiles = (out_cols() + COLS - 1u) / COLS;
    // At run time: with the row count as a constant, lavapipe would recompile the shader at every dispatch.
    let row_tiles = at_run_time((out_rows() + 4u * ROW_BLOCKS - 1u) / (4u * ROW_BLOCKS), lane);
    let tile = group * GEMM_GROUP + lane;
    let slice = tile / (col_tiles * row_tiles);
    if slice >= slices() { return; }
    // A thread's two columns are col_tiles apart, so that neighbouring threads load neighbours.
    let x = tile % col_tiles;
    let y = x + col_tiles;
    let block = (tile / col_tiles) % row_tiles * ROW_BLOCKS;

    var x0: mat4x4<f32>;
    var x1: mat4x4<f32>;
    var x2: mat4x4<f32>;
    var x3: mat4x4<f32>;
    var y0: mat4x4<f32>;
    var y1: mat4x4<f32>;
    var y2: mat4x4<f32>;
    var y3: mat4x4<f32>;
    var x_sums: vec4<f32>;
    var y_sums: vec4<f32>;
    let range = depth(slice, block);
    for (var d = range.x; d < range.y; d += 1u) {
        let bx = b_block(d, x);
        let by = b_block(d, y);
        if COLUMN_SUMS != 0u {
            x_sums += bx * vec4(1.0);
            y_sums += by * vec4(1.0);
        }
        let a0 = a_block(block, d);
        x0 += bx * a0;
        y0 += by * a0;
        let a1 = a_block(block + 1u, d);
        x1 += bx * a1;
        y1 += by * a1;
        let a2 = a_block(block + 2u, d);
        x2 += bx * a2;
        y2 += by * a2;
        let a3 = a_block(block + 3u, d);
        x3 += bx * a3;
        y3 += by * a3;
    }

    store_column(block, x, x0, x1, x2, x3, slice);
    if COLUMN_SUMS != 0u && block == 0u { store_sums(x, x_sums, slice); }
    if y < out_cols() {
        store_column(block, y, y0, y1, y2, y3, slice);
        if COLUMN_SUMS != 0u && block == 0u { store_sums(y, y_sums, slice); }
    }
}

fn store_column(block: u32, c: u32, v0: mat4x4<f32>, v1: mat4x4<f32>, v2: mat4x4<f32>, v3: mat4x4<f32>, slice: u32) {
    store_block(block, c, v0, slice);
    store_block(block + 1u, c, v1, slice);
    store_block(block + 2u, c, v2, slice);
    store_block(block + 3u, c, v3, slice);
}

fn store_block(block: u32, c: u32, value: mat4x4<f32>, slice: u32) {
    let row = 4u * block;
    if row < out_rows() { store(row, c, value[0], slice); }
    if row + 1u < out_rows() { store(row + 1u, c, value[1], slice); }
    if row + 2u < out_rows() { store(row + 2u, c, value[2], slice); }
    if row + 3u < out_rows() { store(row + 3u, c, value[3], slice); }
}
