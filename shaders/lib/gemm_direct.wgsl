// A matrix product out = A B, each thread on its own: TILE_ROWS x (4 TILE_COLS) outputs in registers, operands loaded straight from
// where they live. For adapters whose workgroup memory costs as much as any other memory.
//
// The kernel gives out_rows(), out_cols() (in vec4s), slices(), depth(slice) = the range of the inner index (in vec4s),
// a_block(i, d): A[4i .., 4d ..], row by row; b_block(d, j): B[4d .., 4j ..], row by row; and
// store(row, col, value, slice), store_sums(col, value, slice).
// Constants: TILE_ROWS, a multiple of 4; TILE_COLS, in vec4s; COLUMN_SUMS, whether the sums of B's columns are wanted.
const GEMM_GROUP: u32 = 32u;
const ROW_BLOCKS: u32 = TILE_ROWS / 4u;

fn gemm(group: u32, lane: u32) {
    let col_tiles = (out_cols() + TILE_COLS - 1u) / TILE_COLS;
    let row_tiles = (out_rows() + TILE_ROWS - 1u) / TILE_ROWS;
    let tile = group * GEMM_GROUP + lane;
    let slice = tile / (col_tiles * row_tiles);
    if slice >= slices() { return; }
    // A thread's columns are col_tiles apart, so that neighbouring threads load neighbours.
    let col = tile % col_tiles;
    let row_block = (tile / col_tiles) % row_tiles * ROW_BLOCKS;

    var acc: array<mat4x4<f32>, ROW_BLOCKS * TILE_COLS>;
    var sums: array<vec4<f32>, TILE_COLS>;
    let range = depth(slice);
    for (var d = range.x; d < range.y; d += 1u) {
        var b: array<mat4x4<f32>, TILE_COLS>;
        for (var j = 0u; j < TILE_COLS; j += 1u) {
            b[j] = b_block(d, col + j * col_tiles);
            if COLUMN_SUMS != 0u { sums[j] += b[j] * vec4(1.0); }
        }
        for (var i = 0u; i < ROW_BLOCKS; i += 1u) {
            let a = a_block(row_block + i, d);
            for (var j = 0u; j < TILE_COLS; j += 1u) { acc[i * TILE_COLS + j] += b[j] * a; }
        }
    }

    for (var j = 0u; j < TILE_COLS; j += 1u) {
        let c = col + j * col_tiles;
        if c >= out_cols() { break; }
        for (var i = 0u; i < TILE_ROWS; i += 1u) {
            let row = 4u * row_block + i;
            if row < out_rows() { store(row, c, acc[i / 4u * TILE_COLS + j][i % 4u], slice); }
        }
        if COLUMN_SUMS != 0u && row_block == 0u { store_sums(c, sums[j], slice); }
    }
}
