// What a thread leaves of its columns (lib/aft_columns.wgsl): `leave` stores it of one column, of those that are there.
fn leave_columns(batch: u32, row: u32, c: u32, sums: Columns) {
    leave(batch, row, c, sums.s0);
    if COLUMNS == 4u {
        if c + PIECE < params.width { leave(batch, row, c + PIECE, sums.s1); }
        if c + 2u * PIECE < params.width { leave(batch, row, c + 2u * PIECE, sums.s2); }
        if c + 3u * PIECE < params.width { leave(batch, row, c + 3u * PIECE, sums.s3); }
    }
}
