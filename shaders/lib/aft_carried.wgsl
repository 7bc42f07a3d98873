// What a strip's sums are added to, in a form without biases: of a causal one the strips before it or, of a gradient, after it (one
// strip has none); else the sums of all positions, which are one row of `carry` a sequence. Constants: CAUSAL.
fn carried(strip: Strip, lane: u32) -> Sums {
    if CAUSAL == 1u && at_run_time(params.strips, lane) == 1u { return NOTHING; }
    let i = 4u * select(strip.batch, strip.batch * params.strips + strip.number, CAUSAL == 1u);
    let c = strip.column;
    return Sums(carry_at(i, c), carry_at(i + 1u, c), carry_at(i + 2u, c), carry_at(i + 3u, c));
}
