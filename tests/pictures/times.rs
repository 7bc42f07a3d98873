//! Time over T of one layer, as a run of the benchmark found it.

use std::fmt::Write;

use aft_wgpu::bench::Results;
use aft_wgpu::bench::series::{Series, series};

use super::{GREY, image, text};

/// (op, form, what to call it, colour)
const LINES: [(&str, Option<&str>, &str, &str); 5] = [
    ("aft", Some("full"), "AFT-full", "#8957e5"),
    ("attention", None, "attention, 4 heads", GREY),
    ("aft", Some("local"), "AFT-local, s = 32", "#2f81f7"),
    ("aft", Some("conv1d"), "AFT-conv, s = 32", "#e2711d"),
    ("aft", Some("simple"), "AFT-simple", "#2da44e"),
];
const CHANNELS: u32 = 256;
const LEFT: f64 = 64.0;
const TOP: f64 = 60.0;
const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 270.0;

/// The forward pass of causal layers in the results that have the most rows.
pub fn times(all: &[Results]) -> String {
    let results = all.iter().max_by_key(|results| results.rows.len()).expect("results");
    let lines: Vec<_> =
        LINES.iter().filter_map(|line| Some((line, line_of(&series(results), line.0, line.1)?))).collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), value| (least.min(value), most.max(value)))
    };
    let (first, last) = range(&mut points().map(|point| point.0));
    let (least, most) = range(&mut points().map(|point| point.1));
    let (low, high) = (least.log10().floor(), most.log10().ceil());
    let x = |t: f64| LEFT + WIDTH * (t / first).ln() / (last / first).ln();
    let y = |ms: f64| TOP + HEIGHT * (high - ms.log10()) / (high - low);

    let machine = format!("{} ({})", results.adapter.name, results.adapter.class);
    let mut body = text(LEFT, 20.0, "font-weight=\"600\" font-size=\"14\"", &heading());
    body += &text(LEFT, 40.0, "font-size=\"12\"", &machine);
    for decade in low as i32..=high as i32 {
        let ms = 10f64.powi(decade);
        body += &rule((LEFT, y(ms)), (LEFT + WIDTH, y(ms)));
        body += &text(LEFT - 8.0, y(ms) + 4.0, "text-anchor=\"end\"", &duration(ms));
    }
    let mut t = first;
    while t <= last {
        body += &rule((x(t), TOP), (x(t), TOP + HEIGHT));
        body += &text(x(t), TOP + HEIGHT + 18.0, "text-anchor=\"middle\"", &t.to_string());
        t *= 2.0;
    }
    body += &text(
        LEFT + WIDTH / 2.0,
        TOP + HEIGHT + 38.0,
        "text-anchor=\"middle\"",
        "positions T (both axes are logarithmic)",
    );
    for ((_, _, _, colour), points) in &lines {
        let path: Vec<_> = points.iter().map(|&(t, ms)| format!("{:.1} {:.1}", x(t), y(ms))).collect();
        let dash = if *colour == GREY { " stroke-dasharray=\"6 4\"" } else { "" };
        let _ = writeln!(
            body,
            "<path fill=\"none\" stroke=\"{colour}\" stroke-width=\"2.2\"{dash} d=\"M{}\"/>",
            path.join("L")
        );
        for &(t, ms) in points {
            let _ = writeln!(body, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(t), y(ms));
        }
    }
    // From top to bottom, as far apart as a line of text is high.
    let mut ends: Vec<_> = lines.iter().filter_map(|(line, points)| Some((points.last()?, line.2, line.3))).collect();
    ends.sort_by(|a, b| b.0.1.total_cmp(&a.0.1));
    let mut above = f64::NEG_INFINITY;
    for (&(t, ms), name, colour) in ends {
        above = (y(ms) + 1.0).max(above + 17.0);
        body += &text(x(t) + 10.0, above + 3.0, &format!("fill=\"{colour}\" font-weight=\"600\""), name);
    }
    image((LEFT + WIDTH + 150.0) as u32, (TOP + HEIGHT + 50.0) as u32, &format!("{} on {machine}", heading()), &body)
}

fn heading() -> String {
    format!("Time of the forward pass of one causal layer, B = 1, D = {CHANNELS}")
}

/// (T, milliseconds) of a causal forward pass.
fn line_of(all: &[Series<'_>], op: &str, form: Option<&str>) -> Option<Vec<(f64, f64)>> {
    let wanted = |series: &&Series<'_>| {
        let key = &series.key;
        (key.op, key.form, key.direction, key.causal) == (op, form, "forward", Some(true))
            && (key.B, key.D) == (Some(1), Some(CHANNELS))
    };
    all.iter().find(wanted).map(Series::times)
}

fn rule(from: (f64, f64), to: (f64, f64)) -> String {
    format!(
        "<path stroke=\"{GREY}\" stroke-opacity=\".25\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>\n",
        from.0, from.1, to.0, to.1
    )
}

fn duration(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", ms / 1000.0) } else { format!("{ms} ms") }
}
