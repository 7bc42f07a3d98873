//! Line chart of time against T, log-log.

use super::axis::LogAxis;
use super::svg::{escape, picture, segment, text};
use super::words::figures;

/// One line of a chart.
pub struct Line {
    pub name: String,
    /// Colour number; none for the text colour of the page.
    pub colour: Option<usize>,
    pub dashed: bool,
    /// (T, milliseconds), by ascending T.
    pub points: Vec<(f64, f64)>,
}

const SIZE: (f64, f64) = (680.0, 380.0);
const LEFT: f64 = 64.0;
const RIGHT: f64 = 470.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 336.0;
/// Distance between the names of two lines.
const LEADING: f64 = 17.0;
/// Maximum number of ticks; more would overlap.
const MOST_TICKS: usize = 10;
/// Maximum characters of a name beside the chart.
const NAME: usize = 27;

/// Draws the chart of lines; each needs at least one point.
pub fn chart(id: &str, title: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let x = LogAxis::of(points().map(|point| point.0), LEFT, RIGHT);
    let y = LogAxis::of(points().map(|point| point.1), BOTTOM, TOP);
    let mut body = grid(&x, &y, points().map(|point| point.0).collect());
    for (index, line) in lines.iter().enumerate() {
        body += &drawn(index, line, &x, &y);
    }
    body += &names(lines, &x, &y);
    let all: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
    let describe =
        format!("Milliseconds against T, both axes logarithmic. Lines: {}. The table has the numbers.", all.join("; "));
    picture(id, SIZE, title, &describe, &body)
}

fn grid(x: &LogAxis, y: &LogAxis, mut lengths: Vec<f64>) -> String {
    lengths.sort_by(f64::total_cmp);
    lengths.dedup();
    let step = lengths.len().div_ceil(MOST_TICKS);
    let mut grid = String::new();
    for &length in lengths.iter().step_by(step.max(1)) {
        let place = x.place(length);
        grid += &segment("grid", (place, TOP), (place, BOTTOM));
        grid += &text("tick x", (place, BOTTOM + 18.0), "middle", &length.to_string());
    }
    for tick in y.decimal_ticks() {
        let place = y.place(tick);
        grid += &segment("grid", (LEFT, place), (RIGHT, place));
        grid += &text("tick y", (LEFT - 8.0, place + 4.0), "end", &tick.to_string());
    }
    grid += &text("axis", ((LEFT + RIGHT) / 2.0, BOTTOM + 38.0), "middle", "T");
    grid + &text("axis", (LEFT - 8.0, TOP - 4.0), "end", "ms")
}

fn drawn(index: usize, line: &Line, x: &LogAxis, y: &LogAxis) -> String {
    let place = |&(length, time): &(f64, f64)| (x.place(length), y.place(time));
    let path: Vec<_> = line.points.iter().map(place).map(|(x, y)| format!("{x:.2},{y:.2}")).collect();
    let dashed = if line.dashed { " dashed" } else { "" };
    let mut drawn = format!("<g class=\"line {}{dashed}\">\n<polyline points=\"{}\"/>\n", colour(line), path.join(" "));
    let name = escape(&line.name);
    for point @ (length, time) in &line.points {
        let (x, y) = place(point);
        drawn += &format!(
            "<path class=\"point\" transform=\"translate({x:.2} {y:.2})\" d=\"{}\" data-t=\"{length}\" data-ms=\"{time}\">\
             <title>{name}, T = {length}: {} ms</title></path>\n",
            marker(index),
            figures(*time)
        );
    }
    drawn + "</g>\n"
}

/// The names beside the ends of the lines, moved apart if they overlap.
fn names(lines: &[Line], x: &LogAxis, y: &LogAxis) -> String {
    let end = |line: &Line| line.points.last().map(|&(length, time)| (x.place(length), y.place(time)));
    let mut ends: Vec<_> = lines.iter().filter_map(|line| Some((line, end(line)?))).collect();
    ends.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let mut places = Vec::new();
    let mut free = TOP;
    for (_, (_, wanted)) in &ends {
        let place = wanted.max(free);
        places.push(place);
        free = place + LEADING;
    }
    // Names that were moved below the picture push those above up again.
    let mut lowest = BOTTOM;
    for place in places.iter_mut().rev() {
        *place = place.min(lowest);
        lowest = *place - LEADING;
    }
    let mut names = String::new();
    for ((line, end), place) in ends.into_iter().zip(places) {
        let colour = colour(line);
        let short: String = line.name.chars().take(NAME).collect();
        let short = if short.len() < line.name.len() { format!("{}…", short.trim_end()) } else { short };
        names += &segment(&format!("leader {colour}"), (end.0 + 7.0, end.1), (RIGHT + 16.0, place));
        names += &text(&format!("name {colour}"), (RIGHT + 20.0, place + 4.0), "start", &short);
    }
    names
}

/// The CSS class of a colour; there are eight.
pub fn class(colour: usize) -> String {
    format!("c{}", colour % 8)
}

fn colour(line: &Line) -> String {
    line.colour.map_or_else(|| "ink".into(), class)
}

/// Markers distinguish lines without colour.
fn marker(index: usize) -> &'static str {
    let shapes = [
        "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
        "M-3.6-3.6h7.2v7.2h-7.2z",
        "M0-5l5 5l-5 5l-5-5z",
        "M0-4.8l4.8 8.6h-9.6z",
        "M0 4.8l4.8-8.6h-9.6z",
        "M-1.5-5h3v3.5h3.5v3h-3.5v3.5h-3v-3.5h-3.5v-3h3.5z",
    ];
    shapes[index % shapes.len()]
}
