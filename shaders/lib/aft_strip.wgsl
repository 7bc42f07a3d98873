// Time is cut into strips of `strip_rows` rows; a thread owns one strip of one sequence in COLUMNS columns, each a vec4 of channels,
// that lie PIECE apart (lib/aft_columns.wgsl). PIECE neighbouring threads own neighbouring columns. Constants: STRIP_GROUP, the
// threads of a workgroup, COLUMNS and PIECE.
// reads: COLUMNS, PIECE, params.batch, params.strips, params.width
struct Strip {
    batch: u32,
    number: u32,
    // The first of its columns. The others may not be there.
    column: u32,
    inside: bool,
}

fn strip_of(thread: u32) -> Strip {
    let threads = (params.width + COLUMNS * PIECE - 1u) / (COLUMNS * PIECE) * PIECE;
    let strip = thread / threads;
    let batch = strip / params.strips;
    let i = thread % threads;
    let column = i / PIECE * PIECE * COLUMNS + i % PIECE;
    return Strip(batch, strip % params.strips, column, (batch < params.batch) & (column < params.width));
}
