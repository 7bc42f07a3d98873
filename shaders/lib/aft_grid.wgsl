// Which key a tap of an S x S kernel stands for, on a grid of rows and columns in raster order; past every key if there is none.
// Causal: taps at later raster positions stand for none.
// reads: params.causal, params.grid_columns, params.size
fn key_of_tap(t: u32, tap: u32) -> u32 {
    let half = i32(params.size - 1u) / 2;
    let columns = i32(params.grid_columns);
    let y = i32(t) / columns + i32(tap / params.size) - half;
    let x = i32(t) % columns + i32(tap % params.size) - half;
    let inside = (y >= 0) & (x >= 0) & (x < columns);
    let at = u32(y * columns + x);
    return select(0xffffffffu, at, inside & ((at <= t) | (params.causal == 0u)));
}
