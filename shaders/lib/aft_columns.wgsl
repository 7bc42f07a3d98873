// Sums of the columns that a thread owns (lib/aft_strip.wgsl), 1, 4 or 8 of them. Of eight, the lanes of a processor's vector unit read
// 1,024 bytes of a row in one piece before they turn to the next row, which memory is fetched ahead for; with one column each they read
// 128 bytes of every row and wait each time.
//
// `item` is what a row adds to the sums of a column. It may hold anything where a column is not there.
// reads: COLUMNS, NOTHING, PIECE, Sums, item, merge
struct Columns {
    s0: Sums,
    s1: Sums,
    s2: Sums,
    s3: Sums,
    s4: Sums,
    s5: Sums,
    s6: Sums,
    s7: Sums,
}

const NO_ITEMS = Columns(NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING);

fn item_columns(batch: u32, row: u32, c: u32) -> Columns {
    var all = NO_ITEMS;
    all.s0 = item(batch, row, c);
    if COLUMNS >= 4u {
        all.s1 = item(batch, row, c + PIECE);
        all.s2 = item(batch, row, c + 2u * PIECE);
        all.s3 = item(batch, row, c + 3u * PIECE);
    }
    if COLUMNS == 8u {
        all.s4 = item(batch, row, c + 4u * PIECE);
        all.s5 = item(batch, row, c + 5u * PIECE);
        all.s6 = item(batch, row, c + 6u * PIECE);
        all.s7 = item(batch, row, c + 7u * PIECE);
    }
    return all;
}

// What both stand for.
fn merge_columns(one: Columns, other: Columns) -> Columns {
    var all = NO_ITEMS;
    all.s0 = merge(one.s0, other.s0);
    if COLUMNS >= 4u {
        all.s1 = merge(one.s1, other.s1);
        all.s2 = merge(one.s2, other.s2);
        all.s3 = merge(one.s3, other.s3);
    }
    if COLUMNS == 8u {
        all.s4 = merge(one.s4, other.s4);
        all.s5 = merge(one.s5, other.s5);
        all.s6 = merge(one.s6, other.s6);
        all.s7 = merge(one.s7, other.s7);
    }
    return all;
}
