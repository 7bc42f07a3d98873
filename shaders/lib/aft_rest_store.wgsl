// What a walk leaves in `rest` (lib/aft_rest.wgsl) of its columns (lib/aft_columns.wgsl); or adds to it, where `joins`.
// reads: COLUMNS, Columns, PIECE, Sums, merge, params.batch, params.time, params.width, rest, stored
fn store_columns(row: u32, c: u32, sums: Columns, joins: bool, centred: bool) {
    store(row, c, sums.s0, joins, centred);
    if COLUMNS >= 4u {
        if c + PIECE < params.width { store(row, c + PIECE, sums.s1, joins, centred); }
        if c + 2u * PIECE < params.width { store(row, c + 2u * PIECE, sums.s2, joins, centred); }
        if c + 3u * PIECE < params.width { store(row, c + 3u * PIECE, sums.s3, joins, centred); }
    }
    if COLUMNS == 8u {
        if c + 4u * PIECE < params.width { store(row, c + 4u * PIECE, sums.s4, joins, centred); }
        if c + 5u * PIECE < params.width { store(row, c + 5u * PIECE, sums.s5, joins, centred); }
        if c + 6u * PIECE < params.width { store(row, c + 6u * PIECE, sums.s6, joins, centred); }
        if c + 7u * PIECE < params.width { store(row, c + 7u * PIECE, sums.s7, joins, centred); }
    }
}

fn store(row: u32, c: u32, sums: Sums, joins: bool, centred: bool) {
    var all = sums;
    if joins { all = merge(stored(row, c, centred), sums); }
    let at = row * params.width + c;
    let part = params.batch * params.time * params.width;
    rest[at] = all.top;
    rest[at + part] = all.a;
    rest[at + 2u * part] = all.b;
    if centred { rest[at + 3u * part] = all.c; }
}
