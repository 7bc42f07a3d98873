// Sums that were scanned (rest_scan.wgsl), for the columns that a thread owns: row i of `carry` and the three after it.
fn carry_columns(i: u32, c: u32) -> Columns {
    var all = NO_ITEMS;
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
