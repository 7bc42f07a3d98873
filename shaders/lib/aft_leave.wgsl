// What a thread leaves of its columns (lib/aft_columns.wgsl): `leave` stores it of one column, of those that are there.
// reads: COLUMNS, Columns, PIECE, leave, params.width
fn leave_columns(batch: u32, row: u32, c: u32, sums: Columns) {
    leave(batch, row, c, sums.s0);
    if COLUMNS >= 4u {
        if c + PIECE < params.width { leave(batch, row, c + PIECE, sums.s1); }
        if c + 2u * PIECE < params.width { leave(batch, row, c + 2u * PIECE, sums.s2); }
        if c + 3u * PIECE < params.width { leave(batch, row, c + 3u * PIECE, sums.s3); }
    }
    if COLUMNS == 8u {
        if c + 4u * PIECE < params.width { leave(batch, row, c + 4u * PIECE, sums.s4); }
        if c + 5u * PIECE < params.width { leave(batch, row, c + 5u * PIECE, sums.s5); }
        if c + 6u * PIECE < params.width { leave(batch, row, c + 6u * PIECE, sums.s6); }
        if c + 7u * PIECE < params.width { leave(batch, row, c + 7u * PIECE, sums.s7); }
    }
}
