//! Results of the benchmark, read and shown: what is read back out of HTML, Markdown, CSV and JSON lines is what was put in.
//!
//! The numbers here are made up to follow known laws; no device is needed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod bench_results;
#[path = "bench_results/csv.rs"]
mod csv;

use aft_wgpu::bench::crossing::{Turn, contests};
use aft_wgpu::bench::memory::{memory, stored};
use aft_wgpu::bench::series::{Key, Series, series};
use aft_wgpu::bench::slope::slope;
use aft_wgpu::bench::{Adapter, Limit, Results, Row, Skipped, read, report};
use bench_results::{LENGTHS, attention, local, quick, slow};
use serde_json::{Value, json};

/// Where the times of [`slow`] meet.
const MEET: f64 = 800.0;

fn of<'a, 'b>(all: &'a [Series<'b>], op: &str, direction: &str) -> &'a Series<'b> {
    all.iter().find(|series| series.key.op == op && series.key.direction == direction).unwrap()
}

/// The number in an attribute of a tag.
fn attribute(tag: &str, name: &str) -> f64 {
    let start = tag.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
    tag[start..].split('"').next().unwrap().parse().unwrap()
}

/// The pieces of a text that begin with a mark, up to an end.
fn pieces<'a>(text: &'a str, mark: &'a str, end: &'a str) -> Vec<&'a str> {
    text.split(mark).skip(1).map(|piece| piece.split(end).next().unwrap()).collect()
}

#[test]
fn slopes_are_those_of_the_law() {
    let results = slow();
    let all = series(&results);
    for (op, exponent) in [("aft", 1.0), ("attention", 2.0)] {
        let slope = slope(&of(&all, op, "forward").times()).unwrap();
        assert!((slope.exponent - exponent).abs() < 1e-12, "{slope:?}");
        assert_eq!((slope.from, slope.to, slope.points), (256.0, 4096.0, LENGTHS.len()));
    }
    assert_eq!(slope(&[(256.0, 1.0)]), None);
}

/// The machine becomes slower from T to T, for a case as for its limit's kernel.
#[test]
fn slopes_in_turns_know_no_slower_machine() {
    let mut results = slow();
    for row in &mut results.rows {
        let (Some(ms), Some(length)) = (&mut row.median_ms, row.T) else { continue };
        *ms *= f64::from(length) / 256.0;
    }
    let all = series(&results);
    for (op, exponent) in [("aft", 1.0), ("attention", 2.0)] {
        let series = of(&all, op, "forward");
        let [plain, in_turns] = [series.times(), series.times_in_limits()].map(|times| slope(&times).unwrap().exponent);
        assert!((plain - exponent - 1.0).abs() < 1e-12 && (in_turns - exponent).abs() < 1e-12, "{plain} {in_turns}");
    }
    // What is counted in bytes is held against a limit that moves them.
    let bytes = |row: &Row| Row { limit: Some("3r1w texture".into()), bytes: row.flops, flops: None, ..row.clone() };
    results.rows = results.rows.iter().map(bytes).collect();
    let all = series(&results);
    let moved = slope(&of(&all, "aft", "forward").times_in_limits()).unwrap().exponent;
    assert!((moved - 1.0).abs() < 1e-12, "{moved}");
}

#[test]
fn crossings_lie_where_the_laws_meet() {
    let (slow, quick) = (slow(), quick());
    let all = series(&slow);
    let contests_of = contests(&all);
    assert_eq!(contests_of.len(), 2, "one for each direction");
    let forward = contests_of.iter().find(|contest| contest.key().direction == "forward").unwrap();
    let crossing = forward.crossing().unwrap();
    let [Turn { length, faster: true }] = crossing.turns[..] else { panic!("{crossing:?}") };
    assert!((length - MEET).abs() < 1e-6 * length && !crossing.faster, "{crossing:?}");
    assert_eq!(crossing.to_string(), "faster from 800");

    let all = series(&quick);
    let crossing = contests(&all)[0].crossing().unwrap();
    assert!(crossing.faster && crossing.turns.is_empty());
    assert_eq!(crossing.to_string(), "none: faster from 256 to 4096");
}

#[test]
fn crossings_are_interpolated_between_different_lengths() {
    let mut results = slow();
    results.rows.retain(|row| row.op != "attention" || !matches!(row.T, Some(512 | 1024)));
    let all = series(&results);
    let crossing = contests(&all)[0].crossing().unwrap();
    assert!((crossing.turns[0].length - MEET).abs() < 1e-6 * MEET, "{crossing:?}");
    results.rows.retain(|row| row.op != "attention" || row.T == Some(256));
    let all = series(&results);
    assert_eq!(contests(&all)[0].crossing().unwrap().to_string(), "slower at 256");
}

/// Times of different minutes: what slows a case down slows its limit down, and a ratio in units of that stays.
#[test]
fn ratios_to_attention_are_in_units_of_a_common_limit() {
    let mut results = slow();
    for row in results.rows.iter_mut().filter(|row| row.op == "attention") {
        row.median_ms = row.median_ms.map(|ms| 3.0 * ms);
    }
    let ratio = |results: &Results| {
        let all = series(results);
        let contest = contests(&all)[0];
        let (ratio, paired) = contest.ratio(contest.pairs()[0]).unwrap();
        (ratio, paired, contest.crossing().unwrap().to_string())
    };
    let (units, paired, crossing) = ratio(&results);
    assert!((units - 0.32).abs() < 1e-12 && paired && crossing == "faster from 800", "{units} {crossing}");
    assert!(!report::markdown(std::slice::from_ref(&results)).contains(r"| \~"));
    // Without a common limit there are but the times.
    results.rows.iter_mut().filter(|row| row.op == "aft").for_each(|row| row.limit = Some("exp".into()));
    let (times, paired, crossing) = ratio(&results);
    assert!((times - 0.96).abs() < 1e-12 && !paired && crossing == "faster from 267", "{times} {crossing}");
    assert!(report::markdown(&[results]).contains(r"| \~0.960 (4.00) |"));
}

#[test]
fn only_attention_of_the_same_job_is_an_opponent() {
    let row = local("forward", 256, 1.0);
    let same = attention("forward", 256, 1.0);
    let against = |other: &Row| Key::of(&row).is_against(&Key::of(other));
    assert!(against(&same));
    for other in [
        attention("gradient", 256, 1.0),
        Row { causal: Some(false), ..same.clone() },
        Row { D: Some(512), ..same.clone() },
        Row { B: Some(9), ..same.clone() },
        Row { op: "train".into(), form: Some("attention".into()), ..same.clone() },
        row.clone(),
    ] {
        assert!(!against(&other), "{other:?}");
    }
    let model = |form: &str| Row { op: "train".into(), form: Some(form.into()), ..same.clone() };
    assert!(Key::of(&model("local")).is_against(&Key::of(&model("attention"))));
}

#[test]
fn memory_has_three_columns() {
    let results = slow();
    let all = series(&results);
    for (direction, planes, maps) in [("forward", 4, 1), ("gradient", 8, 2)] {
        let contests = contests(&all);
        let contest = contests.iter().find(|contest| contest.key().direction == direction).unwrap();
        let lines = memory(contest);
        assert_eq!(lines.len(), LENGTHS.len());
        for (line, length) in lines.iter().zip(LENGTHS) {
            let t = u64::from(length);
            assert_eq!((line.variant, line.tiled), (Some(1000 * t), Some(2000 * t)));
            // B = 2, D = 256, H = 4.
            assert_eq!(line.stored, Some(planes * 4 * 2 * t * 256 + maps * 4 * 2 * 4 * t * t));
        }
    }
    let huge = Row { T: Some(u32::MAX), B: Some(u32::MAX), ..attention("forward", 1, 1.0) };
    assert_eq!(stored(&huge), None, "no number rather than a wrong one");
    assert_eq!(stored(&local("forward", 256, 1.0)), None);
}

#[test]
fn the_page_holds_the_numbers() {
    let all = [slow(), quick()];
    let page = report::html(&all);
    let cells: Vec<f64> = pieces(&page, "<data value=\"", "\"").iter().map(|value| value.parse().unwrap()).collect();
    for results in &all {
        for time in results.rows.iter().filter_map(|row| row.median_ms) {
            assert!(cells.contains(&time), "{time} ms is in no cell");
        }
        for limit in &results.limits {
            assert!(cells.contains(&limit.value), "{} is in no cell", limit.name);
        }
        for series in series(results).iter().filter(|series| series.rows.len() > 1) {
            let slope = slope(&series.times()).unwrap().exponent;
            assert!(cells.contains(&slope), "slope {slope} is in no cell");
        }
    }
    let stored_of = |row: &Row| stored(row).map(|n| n as f64);
    assert!(all[0].rows.iter().filter_map(stored_of).all(|bytes| cells.contains(&bytes)));
    assert!(page.contains("faster from 800") && page.contains("none: faster from 256 to 4096"));
    assert!(page.contains("gate failed") && page.contains("one gate red") && page.contains("all green"));
}

/// The value at a place between the ticks of one axis, which are (value, place).
fn at(ticks: &[(f64, f64)], place: f64) -> f64 {
    let (first, last) = (ticks[0], ticks[ticks.len() - 1]);
    let share = (place - first.1) / (last.1 - first.1);
    first.0 * (last.0 / first.0).powf(share)
}

#[test]
fn points_of_charts_stand_where_their_numbers_are() {
    let all = [slow(), quick()];
    let page = report::html(&all);
    let mut drawn = Vec::new();
    for chart in pieces(&page, "<svg", "</svg>").iter().filter(|chart| chart.contains("data-ms")) {
        let ticks = |class: &str, at: &str| -> Vec<(f64, f64)> {
            let tick = |piece: &&str| (piece.split(['>', '<']).nth(1).unwrap().parse().unwrap(), attribute(piece, at));
            pieces(chart, &format!("<text class=\"tick {class}\""), "/text>").iter().map(tick).collect()
        };
        // The numbers of the vertical axis stand 4 below their lines.
        let (x, y) = (ticks("x", "x"), ticks("y", "y").iter().map(|(value, y)| (*value, y - 4.0)).collect::<Vec<_>>());
        for point in pieces(chart, "<path class=\"point\"", ">") {
            let (length, time) = (attribute(point, "data-t"), attribute(point, "data-ms"));
            let place = pieces(point, "translate(", ")")[0];
            let (px, py) = place.split_once(' ').map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap())).unwrap();
            // Places have two decimals, of some hundred for a few factors of e.
            assert!((at(&x, px) / length - 1.0).abs() < 1e-3, "T = {length} stands at {}", at(&x, px));
            assert!((at(&y, py) / time - 1.0).abs() < 1e-3, "{time} ms stand at {}", at(&y, py));
            drawn.push(time);
        }
    }
    let rows = all.iter().flat_map(|results| &results.rows);
    for row in rows.filter(|row| matches!(row.op.as_str(), "aft" | "attention")) {
        assert!(row.median_ms.is_none_or(|time| drawn.contains(&time)), "{row:?} is not drawn");
    }
}

#[test]
fn bars_are_as_long_as_their_shares() {
    let page = report::html(&[slow(), quick()]);
    let bars = pieces(&page, "<rect class=\"bar", ">");
    // Forward and gradient of two ops on both machines; linear where it did not fail.
    assert_eq!(bars.len(), 2 * 4 + 1);
    for bar in bars {
        let (width, percent) = (attribute(bar, "width"), attribute(bar, "data-percent"));
        assert!((width - 4.62 * percent).abs() < 0.01, "{percent} % is {width} wide");
    }
}

#[test]
fn names_are_text_and_the_page_stands_alone() {
    let mut results = slow();
    results.adapter.name = "<script>alert('&')</script> \"| *GPU*\u{1}".into();
    results.rows[0].form = Some("<b onload=\"x\">".into());
    let page = report::html(&[results.clone()]);
    for forbidden in ["<script", "<b ", "http:", "https:", "url(", "@import", "src=", "onload=\"", "\u{1}"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt; &quot;| *GPU*"));
    assert!(page.contains("prefers-color-scheme: dark"));
    let pictures = pieces(&page, "<svg", "</svg>");
    assert!(pictures.iter().all(|picture| picture.contains("<title id=") && picture.contains("<desc id=")));
    let mut ids = pieces(&page, " id=\"", "\"");
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "an id stands twice");
    let markdown = report::markdown(&[results]);
    assert!(markdown.contains(r"\<script\>alert('\&')\</script\>") && markdown.contains(r"\| \*GPU\*"), "{markdown}");
}

#[test]
fn markdown_has_a_row_for_each_series_and_machine() {
    let text = report::markdown(&[slow(), quick()]);
    for line in [
        "| aft local, s = 32 | forward | yes | 2 | 256 | Quick GPU | 1.00 | 1.00 | 0.512 ms (4.00 %; 3.84–4.24) | \
         1.02 ms (4.00 %; 3.84–4.24) | 2.05 ms (4.00 %; 3.84–4.24) | 4.10 ms (4.00 %; 3.84–4.24) | 8.19 ms (4.00 %; 3.84–4.24) | fma |",
        "| aft local, s = 32 | forward | yes | 2 | 256 | attention, H = 4 | Slow GPU | 0.320 (4.00) | 0.640 (8.00) | \
         1.28 (16.0) | 2.56 (32.0) | 5.12 (64.0) | faster from 800 |",
        "| fma | 123 GFLOP/s (120 to 130) | 987 GFLOP/s (980 to 990) |",
        "| linear | forward | – | 2 | 256 | 512 | fma | 3.25 ms (75.0 %) | **gate failed** |",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    assert!(!text.contains("<details>"));
}

#[test]
fn a_machine_without_rows_has_no_charts() {
    let empty = Results { rows: vec![], ..slow() };
    let page = report::html(&[empty]);
    assert!(
        page.contains("Slow GPU") && page.contains("0 cases") && !page.contains("<figure") && !page.contains("NaN")
    );
}

/// Every table and chart of a run that was stopped says so, and nothing that was not measured is called green.
#[test]
fn incomplete_results_say_so_everywhere() {
    let incomplete = Results { complete: false, ..slow() };
    let all = [incomplete.clone(), quick()];
    let markdown = report::markdown(&all);
    for table in markdown.split("### ").skip(1) {
        assert!(table.contains("Slow GPU (incomplete)") && !table.contains("Quick GPU (incomplete)"), "{table}");
        // No machine of that name in it is without the mark.
        assert!(
            !table.replace("Slow GPU (incomplete)", "").replace("Slow GPU (rev 1)", "").contains("Slow GPU"),
            "{table}"
        );
    }
    assert!(markdown.contains("| green so far |") && !markdown.contains("all green"), "{markdown}");
    let page = report::html(&all);
    for part in ["<title>aft bench: Slow GPU (incomplete)", "<h2>Slow GPU (incomplete)</h2>", "green so far"] {
        assert!(page.contains(part), "{part}");
    }
    let head = csv::cells(&report::csv(&incomplete));
    let column = head[0].iter().position(|name| name == "complete").unwrap();
    assert!(head[1..].iter().all(|row| row[column] == "false"));
    assert!(report::jsonl(&incomplete).lines().next().unwrap().contains("\"complete\":false"));

    let json = serde_json::to_vec(&incomplete).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap()["complete"], json!(false));
    assert_eq!(read("x.json", &json).unwrap(), incomplete);
    // Files of earlier versions say nothing, and are complete.
    assert!(!serde_json::to_string(&slow()).unwrap().contains("\"complete\""));

    for complete in [true, false] {
        let nothing = [Results { complete, rows: vec![], ..slow() }];
        for text in [report::markdown(&nothing), report::html(&nothing)] {
            assert!(
                text.contains("no case ran") && !text.contains("green so far") && !text.contains("all green"),
                "{text}"
            );
        }
    }
}

#[test]
fn machines_of_one_name_are_told_apart() {
    let named = |name: &str| Results { adapter: Adapter { name: name.into(), ..slow().adapter }, ..slow() };
    let text = report::markdown(&["Card (one)", "Card (two)", "Other (one)", "Twin", "Twin"].map(named));
    assert!(text.contains("| limit | Card (one) | Card (two) | Other | Twin #4 | Twin #5 |"), "{text}");
}

#[test]
fn csv_and_json_lines_say_the_same() {
    let mut results = slow();
    results.rows[0].plan = Some("tiles of 8, \"GPU\",\nstorage".into());
    let lines = report::jsonl(&results);
    let mut back = Results { limits: vec![], rows: vec![], skipped: vec![], ..results.clone() };
    for (index, line) in lines.lines().enumerate() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        let kind = value.as_object_mut().unwrap().remove("kind").unwrap();
        match kind.as_str().unwrap() {
            "adapter" => {
                assert_eq!((index, value.as_object_mut().unwrap().remove("schema")), (0, Some(json!(results.schema))));
                back.adapter = serde_json::from_value::<Adapter>(value).unwrap();
            }
            "limit" => back.limits.push(serde_json::from_value::<Limit>(value).unwrap()),
            "row" => back.rows.push(serde_json::from_value::<Row>(value).unwrap()),
            "skipped" => back.skipped.push(serde_json::from_value::<Skipped>(value).unwrap()),
            other => panic!("{other}"),
        }
    }
    assert_eq!(back, results);

    let mut table = csv::cells(&report::csv(&results)).into_iter();
    let head = table.next().unwrap();
    let rows: Vec<Row> = table.map(|cells| csv::row(&head, &cells)).collect();
    assert_eq!(rows, results.rows);
    assert_eq!(head.len(), 8 + 25);
    let back = read("x.json", &serde_json::to_vec(&results).unwrap()).unwrap();
    assert_eq!(back, results);
}
