// What a walk leaves in `rest` (lib/aft_rest.wgsl) of its columns (lib/aft_columns.wgsl); or adds to it, where `joins`. Constants: CENTRED.
fn store_columns(row: u32, c: u32, sums: Columns, joins: bool) {
    store(row, c, sums.s0, joins);
    if COLUMNS >= 4u {
        if c + PIECE < params.width { store(row, c + PIECE, sums.s1, joins); }
        if c + 2u * PIECE < params.width { store(row, c + 2u * PIECE, sums.s2, joins); }
        if c + 3u * PIECE < params.width { store(row, c + 3u * PIECE, sums.s3, joins); }
    }
    if COLUMNS == 8u {
        if c + 4u * PIECE < params.width { store(row, c + 4u * PIECE, sums.s4, joins); }
        if c + 5u * PIECE < params.width { store(row, c + 5u * PIECE, sums.s5, joins); }
        if c + 6u * PIECE < params.width { store(row, c + 6u * PIECE, sums.s6, joins); }
        if c + 7u * PIECE < params.width { store(row, c + 7u * PIECE, sums.s7, joins); }
    }
}

fn store(row: u32, c: u32, sums: Sums, joins: bool) {
    var all = sums;
    if joins { all = merge(stored(row, c, CENTRED == 1u), sums); }
    let at = row * params.width + c;
    let part = params.batch * params.time * params.width;
    rest[at] = all.top;
    rest[at + part] = all.a;
    rest[at + 2u * part] = all.b;
    if CENTRED == 1u { rest[at + 3u * part] = all.c; }
}
