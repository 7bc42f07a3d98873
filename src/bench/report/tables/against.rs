//! Tables of variants against attention: time, crossings and memory.

use std::collections::BTreeSet;

use super::machine::{CASE, Machine, case};
use crate::bench::Row;
use crate::bench::crossing::{Contest, contests};
use crate::bench::memory::{FORMULA, memory as memory_of};
use crate::bench::report::table::{Cell, Table};
use crate::bench::report::words::{bytes, figures};

/// One row for each variant on a machine; a column for each T, and the crossings.
pub fn attention(machines: &[Machine<'_>]) -> Table {
    let pairs = of_all(machines).flat_map(|(_, contest)| contest.pairs());
    let lengths: Vec<_> = pairs.filter_map(|(row, _)| row.T).collect::<BTreeSet<_>>().into_iter().collect();
    let mut table = Table::new(
        "Against attention",
        "How many times as long attention takes, and in parentheses how many times the operations it has. Where both have the same \
         limit, times are in units of its kernel, with which each was measured in turns; else (~) they are medians taken at \
         different minutes. Crossings are the T from which the variant is faster, interpolated in ln T and ln time.",
        &CASE,
    );
    table.head.extend(["against".into(), "adapter".into()]);
    table.head.extend(lengths.iter().map(|length| format!("T = {length}")));
    table.head.push("crossings".into());
    for (machine, contest) in of_all(machines) {
        let pairs = contest.pairs();
        let at = |length: &u32| pairs.iter().find(|(row, _)| row.T == Some(*length));
        let mut cells = case(&contest.key());
        cells.push(Cell::text(contest.attention.key.name()));
        cells.push(Cell::text(&machine.label));
        cells.extend(lengths.iter().map(|length| at(length).map_or_else(Cell::none, |pair| ratio(&contest, *pair))));
        cells.push(contest.crossing().map_or_else(Cell::none, |crossing| Cell::text(crossing.to_string())));
        table.rows.push(cells);
    }
    table
}

/// Time of attention divided by the variant's, and the same for their operations.
fn ratio(contest: &Contest<'_, '_>, (variant, attention): (&Row, &Row)) -> Cell {
    let Some((time, paired)) = contest.ratio((variant, attention)) else { return Cell::red("gate failed") };
    let flops = variant.flops.zip(attention.flops).map(|(variant, attention)| attention / variant);
    let flops = flops.map_or_else(String::new, |flops| format!(" ({})", figures(flops)));
    Cell::number(time, format!("{}{}{flops}", if paired { "" } else { "~" }, figures(time)))
}

/// One row for each variant on a machine at one T.
pub fn memory(machines: &[Machine<'_>]) -> Table {
    let note = format!("Peak of what our allocator handed out. The last column is not measured but {FORMULA}.");
    let mut table = Table::new("Memory", note, &CASE);
    let columns = ["T", "adapter", "variant", "tiled attention", "attention that stores its maps (computed)"];
    table.head.extend(columns.map(str::to_owned));
    for (machine, contest) in of_all(machines) {
        for line in memory_of(&contest).iter().filter(|line| line.variant.is_some() || line.tiled.is_some()) {
            let mut cells = case(&contest.key());
            cells.extend([Cell::size(line.row.T), Cell::text(&machine.label)]);
            let sizes = [line.variant, line.tiled, line.stored];
            cells.extend(sizes.map(|n| n.map_or_else(Cell::none, |n| Cell::number(n as f64, bytes(n)))));
            table.rows.push(cells);
        }
    }
    table
}

fn of_all<'a, 'b>(machines: &'a [Machine<'b>]) -> impl Iterator<Item = (&'a Machine<'b>, Contest<'a, 'b>)> {
    machines.iter().flat_map(|machine| contests(&machine.series).into_iter().map(move |contest| (machine, contest)))
}
