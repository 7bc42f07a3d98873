// What a strip's sums are added to, in a form without biases: of a causal one the strips before it or, of a gradient, after it; else
// the sums of all positions, which are one row of `carry` a sequence. Nothing, where one strip is all. Constants: CAUSAL.
// reads: CAUSAL, Columns, NO_ITEMS, Strip, at_run_time, carry_at, params.strips, scanned_columns
fn carried(strip: Strip, lane: u32) -> Columns {
    if at_run_time(params.strips, lane) == 1u { return NO_ITEMS; }
    let i = select(strip.batch, strip.batch * params.strips + strip.number, CAUSAL == 1u);
    return scanned_columns(0u, 4u * i, strip.column);
}

fn scanned_at(which: u32, row: u32, c: u32) -> vec4<f32> {
    return carry_at(row, c);
}

// Where the walk ends over a strip that has to know all its sums before it stores any: where no carry has them.
fn end_of_all(first: u32, end: u32, lane: u32) -> u32 {
    return select(first, end, (CAUSAL == 0u) & (at_run_time(params.strips, lane) == 1u));
}
