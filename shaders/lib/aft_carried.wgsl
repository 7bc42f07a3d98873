// What a strip's sums are added to, in a form without biases: of a causal one the strips before it or, of a gradient, after it; else
// the sums of all positions, which are one row of `carry` a sequence. Nothing, where one strip is all. Constants: CAUSAL.
fn carried(strip: Strip, lane: u32) -> Columns {
    var all = NO_ITEMS;
    if at_run_time(params.strips, lane) == 1u { return all; }
    let i = 4u * select(strip.batch, strip.batch * params.strips + strip.number, CAUSAL == 1u);
    let c = strip.column;
    all.s0 = carry_of(i, c);
    if COLUMNS == 4u {
        all.s1 = carry_of(i, c + PIECE);
        all.s2 = carry_of(i, c + 2u * PIECE);
        all.s3 = carry_of(i, c + 3u * PIECE);
    }
    return all;
}

fn carry_of(i: u32, c: u32) -> Sums {
    return Sums(carry_at(i, c), carry_at(i + 1u, c), carry_at(i + 2u, c), carry_at(i + 3u, c));
}

// Where the walk ends over a strip that has to know all its sums before it stores any: where no carry has them.
fn end_of_all(first: u32, end: u32, lane: u32) -> u32 {
    return select(first, end, (CAUSAL == 0u) & (at_run_time(params.strips, lane) == 1u));
}
