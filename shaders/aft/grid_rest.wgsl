// What lies outside of the taps of AFT-conv on a grid, as sums without biases: for position (r, c), with gap = (S + 1) / 2,
//   whole rows of the grid up to r - gap (where use_rows),
//   of the rows between, the columns up to c - gap;
// and `backward` the same from r + gap and from c + gap on. Of the rows between, `up` of those above and `down` of those below
// count, and the own one where `own`: a causal key that is to the right, or row that is to the left, lies in another row.
//
// The last of three passes (rest_reduce, rest_scan), a dispatch for each direction. A thread walks some rows of the grid, or a
// segment of the columns of one, and begins with what was scanned: positions in strips (carry), and the segments of each row
// (beside). Every sum is of positive terms, and in levels of no more than SPAN. Items are keys or rows of a gradient
// (lib/aft_items.wgsl).
//
// Operands: those of the items, carry [4 B carry_strips, D] (read where there is more than one), beside [4 B grid_rows segments,
// D] (as carry), rest (lib/aft_rest.wgsl; added to where `joins`).
const SPAN: u32 = 256u;

// The planes of lib/aft_scanned.wgsl.
const CARRY: u32 = 0u;
const BESIDE: u32 = 1u;

fn scanned_at(which: u32, row: u32, c: u32) -> vec4<f32> {
    if which == CARRY { return carry_at(row, c); }
    return beside_at(row, c);
}

// Of the positions from `first` to before `end`, no more than SPAN.
fn line_sums(batch: u32, first: u32, end: u32, c: u32) -> Columns {
    var sums = NO_ITEMS;
    for (var t = first; t < end; t += 1u) { sums = merge_columns(sums, item_columns(batch, batch * params.time + t, c)); }
    return sums;
}

// Of all rows up to r - gap (from r + gap on, if backward).
fn whole_rows(batch: u32, r: u32, c: u32, backward: bool, lane: u32) -> Columns {
    var t = (max(r + 1u, params.gap) - params.gap) * params.grid_columns;
    if backward { t = min(r + params.gap, params.grid_rows) * params.grid_columns; }
    if t == params.time { return NO_ITEMS; }
    let strip = t / params.carry_rows;
    let start = strip * params.carry_rows;
    var first = start;
    var end = t;
    if backward {
        first = t;
        end = min(start + params.carry_rows, params.time);
    }
    var past = NO_ITEMS;
    if at_run_time(params.carry_strips, lane) > 1u { past = scanned_columns(CARRY, 4u * (batch * params.carry_strips + strip), c); }
    return merge_columns(past, line_sums(batch, first, end, c));
}

// Of rows from .x to before .y of the grid, what a segment begins with.
fn segment_sums(batch: u32, rows: vec2<u32>, segment: u32, c: u32) -> Columns {
    let first = 4u * (batch * params.grid_rows * params.segments + segment);
    var sums = NO_ITEMS;
    for (var part = rows.x; part < rows.y; part += SPAN) {
        var own = NO_ITEMS;
        for (var y = part; y < min(part + SPAN, rows.y); y += 1u) {
            own = merge_columns(own, scanned_columns(BESIDE, first + 4u * y * params.segments, c));
        }
        sums = merge_columns(sums, own);
    }
    return sums;
}

// Of rows from .x to before .y of the grid, in one column.
fn column_sums(batch: u32, rows: vec2<u32>, x: u32, c: u32) -> Columns {
    let first = batch * params.time + x;
    var sums = NO_ITEMS;
    for (var part = rows.x; part < rows.y; part += SPAN) {
        var own = NO_ITEMS;
        for (var y = part; y < min(part + SPAN, rows.y); y += 1u) {
            own = merge_columns(own, item_columns(batch, first + y * params.grid_columns, c));
        }
        sums = merge_columns(sums, own);
    }
    return sums;
}

// Rows from .x to before .y that count to the side of row r.
fn rows_beside(r: u32) -> vec2<u32> {
    let own = params.own != 0u;
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
    let segment = strip.number % params.segments;
    let first = strip.number / params.segments * params.strip_rows;
    let count = min(first + params.strip_rows, params.grid_rows) - first;
    let left = segment * params.segment_columns;
    let steps = min(left + params.segment_columns, params.grid_columns) - left;
    let columns = params.grid_columns;
    let gap = params.gap;
    let backward = at_run_time(params.backward, lane) != 0u;
    let joins = at_run_time(params.joins, lane) != 0u;
    let whole = at_run_time(params.use_rows, lane) != 0u;
    let cut = at_run_time(params.segments, lane) > 1u;

    var carry = NO_ITEMS;
    var own = NO_ITEMS;
    for (var i = 0u; i < count; i += 1u) {
        let r = select(first + i, first + count - 1u - i, backward);
        if whole & (i == 0u) { carry = whole_rows(batch, r, c, backward, lane); }
        let joining = select(r - gap, r + gap, backward);
        if whole & (i > 0u) & (joining < params.grid_rows) {
            own = merge_columns(own, line_sums(batch, joining * columns, (joining + 1u) * columns, c));
        }
        let rows = rows_beside(r);
        var past = merge_columns(carry, own);
        if cut { past = merge_columns(past, segment_sums(batch, rows, segment, c)); }
        var beside = NO_ITEMS;
        for (var step = 0u; step < steps; step += 1u) {
            let x = select(left + step, left + steps - 1u - step, backward);
            // A column that is not there wraps around.
            let other = select(x - gap, x + gap, backward);
            if other < columns { beside = merge_columns(beside, column_sums(batch, rows, other, c)); }
            let row = batch * params.time + r * columns + x;
            store_columns(row, c, merge_columns(past, beside), joins, CENTRED == 1u);
        }
    }
}
