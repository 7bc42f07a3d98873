// Where the four biases of a vec4 of a plane come from in a parameter (dense.wgsl).
// reads: at_run_time, params.ahead, params.causal, params.first_row, params.origin, params.reach, params.relative
// reads: params.slides, params.taps, params.time, params.w_columns
struct Entry {
    // Row of w.
    row: u32,
    // Key of the first of the four less that of the row's own, and the row's own key; -1 where any key may be meant.
    distance: i32,
    t: i32,
}

fn entry_of(n: u32, j: u32, lane: u32) -> Entry {
    if at_run_time(params.taps, lane) != 0u {
        let t = i32(n % 4u);
        return Entry(n / 4u, 4 * (i32(params.ahead) - i32(j)) - t, -1);
    }
    let t = i32(params.first_row + n);
    let block = select(i32(j), t / 4 + i32(params.ahead) - i32(j), params.slides != 0u);
    return Entry(n, 4 * block - t, t);
}

// The column of w for one of the four keys; -1 if no row sees it.
fn column_in_w(entry: Entry, i: u32) -> i32 {
    let distance = entry.distance + i32(i);
    let key = entry.t + distance;
    let exists = (entry.t < 0) | ((key >= 0) & (key < i32(params.time)));
    let near = (abs(distance) < i32(params.reach)) & ((distance <= 0) | (params.causal == 0u));
    let column = select(key, distance + i32(params.origin), params.relative != 0u);
    return select(-1, column, exists & near & (column >= 0) & (column < i32(params.w_columns)));
}
