// The turn of a panel of rows in a sum over panels, which all but the last have `panel_blocks` blocks of four rows. Sums are in two
// levels: a panel adds to the sum of its `level` panels, which number on from the first row of all, and the last of these folds it
// into the sum of those before. Only the panels that touch a tile take part in its sum.
// reads: at_run_time, params.first_row, params.level, params.panel_blocks
struct Turn {
    first: bool,
    last: bool,
    // To the sum of the panels of its level.
    adds: bool,
    // That sum into the one of levels before.
    folds: bool,
    // Whether there are such.
    follows: bool,
}

// `rows` are the blocks of rows from .x to before .y that touch the tile.
fn turn_of(rows: vec2<u32>, lane: u32) -> Turn {
    let level = at_run_time(params.level, lane);
    let number = params.first_row / 4u / params.panel_blocks;
    let first = rows.x / params.panel_blocks;
    let last = (rows.y - 1u) / params.panel_blocks;
    return Turn(
        number == first,
        number == last,
        (number != first) & (number % level != 0u),
        (number == last) | (number % level == level - 1u),
        number / level > first / level,
    );
}
