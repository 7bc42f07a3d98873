//! Bar chart of percentages of a limit.

use super::lines::class;
use super::svg::{escape, picture, segment, text};
use super::words::figures;

/// A case, with a bar for each machine that measured it.
pub struct Case {
    pub name: String,
    pub bars: Vec<Bar>,
}

/// One bar.
pub struct Bar {
    pub machine: String,
    /// Colour number of the machine.
    pub colour: usize,
    pub percent: f64,
    /// The smallest and the largest value.
    pub spread: Option<[f64; 2]>,
}

const WIDTH: f64 = 680.0;
const LEFT: f64 = 8.0;
/// Right end of the bars; the numbers follow.
const RIGHT: f64 = 470.0;
const TOP: f64 = 26.0;
const HEADING: f64 = 20.0;
const BAR: f64 = 14.0;
const GAP: f64 = 10.0;

/// Draws the chart of cases.
pub fn chart(id: &str, title: &str, cases: &[Case]) -> String {
    let bars = || cases.iter().flat_map(|case| &case.bars);
    let ends = bars().map(|bar| bar.spread.map_or(bar.percent, |[_, high]| high));
    let most = ends.fold(100.0, f64::max);
    let place = |percent: f64| LEFT + percent / most * (RIGHT - LEFT);
    let height = TOP + cases.iter().map(|case| HEADING + BAR * case.bars.len() as f64 + GAP).sum::<f64>();
    let mut body = String::new();
    for percent in [0.0, 25.0, 50.0, 75.0, 100.0] {
        body += &segment("grid", (place(percent), TOP - 8.0), (place(percent), height - GAP));
        body += &text("tick x", (place(percent), TOP - 12.0), "middle", &percent.to_string());
    }
    let mut y = TOP;
    for case in cases {
        body += &text("case", (LEFT, y + 13.0), "start", &case.name);
        y += HEADING;
        for bar in &case.bars {
            body += &drawn(&case.name, bar, place, y);
            y += BAR;
        }
        y += GAP;
    }
    let describe = "Per cent of the limit that each case was interleaved with, with the spread of the rounds. The table has the numbers.";
    picture(id, (WIDTH, height), title, describe, &body)
}

fn drawn(case: &str, bar: &Bar, place: impl Fn(f64) -> f64, y: f64) -> String {
    let Bar { machine, colour, percent, spread } = bar;
    let (start, end, middle) = (place(0.0), place(*percent), y + (BAR - 2.0) / 2.0);
    let tip = format!("{case}, {machine}: {} %", figures(*percent));
    let mut drawn = format!(
        "<rect class=\"bar {}\" x=\"{start:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{}\" rx=\"2\" data-percent=\"{percent}\">\
         <title>{}</title></rect>\n",
        class(*colour),
        end - start,
        BAR - 2.0,
        escape(&tip)
    );
    let mut beside = end;
    if let Some([low, high]) = spread {
        drawn += &segment("spread", (place(*low), middle), (place(*high), middle));
        for side in [low, high] {
            drawn += &segment("spread", (place(*side), middle - 3.0), (place(*side), middle + 3.0));
        }
        beside = place(*high).max(end);
    }
    drawn + &text("value", (beside + 8.0, middle + 4.0), "start", &format!("{} %  {machine}", figures(*percent)))
}
