// Sums that were scanned (rest_scan.wgsl), of the columns that a thread owns. `scanned_at` loads from the plane `which` of those that a
// kernel has: row i and the three after it are the parts of a sum.
// reads: COLUMNS, Columns, NO_ITEMS, PIECE, Sums, scanned_at
fn scanned_columns(which: u32, i: u32, c: u32) -> Columns {
    var all = NO_ITEMS;
    all.s0 = scanned(which, i, c);
    if COLUMNS >= 4u {
        all.s1 = scanned(which, i, c + PIECE);
        all.s2 = scanned(which, i, c + 2u * PIECE);
        all.s3 = scanned(which, i, c + 3u * PIECE);
    }
    if COLUMNS == 8u {
        all.s4 = scanned(which, i, c + 4u * PIECE);
        all.s5 = scanned(which, i, c + 5u * PIECE);
        all.s6 = scanned(which, i, c + 6u * PIECE);
        all.s7 = scanned(which, i, c + 7u * PIECE);
    }
    return all;
}

fn scanned(which: u32, i: u32, c: u32) -> Sums {
    return Sums(
        scanned_at(which, i, c), scanned_at(which, i + 1u, c), scanned_at(which, i + 2u, c), scanned_at(which, i + 3u, c),
    );
}
