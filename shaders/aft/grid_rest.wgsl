// What lies outside of the taps of AFT-conv on a grid, as sums without biases: for position (r, c), with h = gap = (S + 1) / 2,
//   whole rows of the grid up to r - h, and from r + h on (where use_above, use_below);
//   of the rows between, the columns up to c - h, and from c + h on.
// Of the rows between, `up` of those above and `down` of those below count, and the own one where left_own, right_own: a causal
// key that is to the right, or row that is to the left, lies in another row.
//
// The last of three passes (rest_reduce, rest_scan). A thread walks a strip of rows of the grid downwards, from the carry of what
// lies above it, and each row to the right; then upwards and to the left, adding to what it stored. Every sum is of positive
// terms, and in levels of no more than SPAN. Items are keys or rows of a gradient (lib/aft_items.wgsl).
//
// Operands: those of the items, carry_before and carry_after [4 B strips, D], rest (lib/aft_rest.wgsl).
struct Params {
    batch: u32,
    time: u32,
    width: u32,
    // Rows of the grid.
    strip_rows: u32,
    strips: u32,
    grid_rows: u32,
    grid_columns: u32,
    gap: u32,
    use_above: u32,
    use_below: u32,
    up: u32,
    down: u32,
    left_own: u32,
    right_own: u32,
    keys: u32,
    centred: u32,
    masked: u32,
    items_stride: u32,
    g_stride: u32,
    centre_stride: u32,
    carry_before_stride: u32,
    carry_after_stride: u32,
}

const SPAN: u32 = 256u;

// Of a whole row of the grid.
fn row_sums(batch: u32, r: u32, c: u32) -> Sums {
    let first = batch * params.time + r * params.grid_columns;
    let end = first + params.grid_columns;
    var sums = NOTHING;
    for (var part = first; part < end; part += SPAN) {
        var own = NOTHING;
        for (var row = part; row < min(part + SPAN, end); row += 1u) { own = merge(own, item(batch, row, c)); }
        sums = merge(sums, own);
    }
    return sums;
}

// Of rows from .x to before .y of the grid, in one column.
fn column_sums(batch: u32, rows: vec2<u32>, x: u32, c: u32) -> Sums {
    let first = batch * params.time + x;
    var sums = NOTHING;
    for (var part = rows.x; part < rows.y; part += SPAN) {
        var own = NOTHING;
        for (var y = part; y < min(part + SPAN, rows.y); y += 1u) {
            own = merge(own, item(batch, first + y * params.grid_columns, c));
        }
        sums = merge(sums, own);
    }
    return sums;
}

// Rows from .x to before .y that count to a side of row r.
fn rows_beside(r: u32, own: bool) -> vec2<u32> {
    return vec2(
        select(r + 1u, max(r, params.up) - params.up, own | (params.up > 0u)),
        min(select(r, r + params.down + 1u, own | (params.down > 0u)), params.grid_rows),
    );
}

@compute @workgroup_size(STRIP_GROUP)
fn rest_of_strip(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let strip = strip_of(group_number(group, groups) * STRIP_GROUP + lane);
    if !strip.inside { return; }
    let c = strip.column;
    let batch = strip.batch;
    let number = batch * params.strips + strip.number;
    let first = strip.number * params.strip_rows;
    let end = min(first + params.strip_rows, params.grid_rows);
    let columns = params.grid_columns;
    let gap = params.gap;
    let centred = at_run_time(params.centred, lane) != 0u;
    let carried = at_run_time(params.strips, lane) > 1u;
    let above = at_run_time(params.use_above, lane) != 0u;
    let below = at_run_time(params.use_below, lane) != 0u;

    var carry = NOTHING;
    if above & carried { carry = carry_from_before(number, c); }
    var own = NOTHING;
    for (var r = first; r < end; r += 1u) {
        if above & (r >= gap) { own = merge(own, row_sums(batch, r - gap, c)); }
        let rows = rows_beside(r, params.left_own != 0u);
        let start = batch * params.time + r * columns;
        var past = merge(carry, own);
        for (var part = 0u; part < columns; part += SPAN) {
            var beside = NOTHING;
            for (var x = part; x < min(part + SPAN, columns); x += 1u) {
                if x >= gap { beside = merge(beside, column_sums(batch, rows, x - gap, c)); }
                store(start + x, c, merge(past, beside), centred);
            }
            past = merge(past, beside);
        }
    }

    if at_run_time(params.use_below, lane) == 0u && gap >= columns { return; }
    carry = NOTHING;
    if below & carried { carry = carry_from_after(number, c); }
    own = NOTHING;
    for (var r = end; r > first; r -= 1u) {
        if below & (r - 1u + gap < params.grid_rows) { own = merge(own, row_sums(batch, r - 1u + gap, c)); }
        let rows = rows_beside(r - 1u, params.right_own != 0u);
        let start = batch * params.time + (r - 1u) * columns;
        var past = merge(carry, own);
        for (var part = columns; part > 0u; part = max(part, SPAN) - SPAN) {
            var beside = NOTHING;
            for (var x = part; x > max(part, SPAN) - SPAN; x -= 1u) {
                if x - 1u + gap < columns { beside = merge(beside, column_sums(batch, rows, x - 1u + gap, c)); }
                let row = start + x - 1u;
                store(row, c, merge(stored(row, c, centred), merge(past, beside)), centred);
            }
            past = merge(past, beside);
        }
    }
}
