//! What a row sees in each variant of AFT: the shares that the f64 reference gives to every key.

use std::fmt::Write;

use aft_wgpu::random::normal_pair;
use aft_wgpu::reference::Dims;
use aft_wgpu::reference::aft::{Inputs, Layout, band::Band, conv::Line, full::Dense, mix, simple::NoBias};

use super::{GREY, image, text};

/// Positions.
const T: usize = 16;
/// Window of AFT-local, and size of AFT-conv's kernel.
const S: usize = 5;
/// Width of a cell.
const CELL: usize = 10;
/// Shades of a cell.
const SHADES: usize = 12;

struct Panel {
    name: &'static str,
    biases: &'static str,
    cost: &'static str,
    window: bool,
    layout: Box<dyn Layout>,
    w: Vec<f64>,
}

/// The four variants, causal, over the same keys.
pub fn forms() -> String {
    let random = |count: usize, stream: u32| (0..count as u32).map(move |i| normal_pair([i, stream, 0, 0])[0]);
    let keys: Vec<f64> = random(T, 3).map(|k| 0.75 * k).collect();
    let biases = |count, stream| random(count, stream).map(|w| 1.1 * w).collect::<Vec<f64>>();
    let panels = [
        Panel {
            name: "AFT-simple",
            biases: "no position biases",
            cost: "time T",
            window: false,
            layout: Box::new(NoBias),
            w: vec![],
        },
        Panel {
            name: "AFT-full",
            biases: "a bias w for each pair (t, t′)",
            cost: "time T²",
            window: false,
            layout: Box::new(Dense { t: T }),
            w: biases(T * T, 1),
        },
        Panel {
            name: "AFT-local",
            biases: "the same, in a window s",
            cost: "time T s",
            window: true,
            layout: Box::new(Band { t: T, window: S, causal: true }),
            w: biases(T * S, 2),
        },
        Panel {
            name: "AFT-conv",
            biases: "one kernel for all t",
            cost: "time T s",
            window: true,
            layout: Box::new(Line { heads: 1, window: S, causal: true }),
            w: vec![-1.5, 0.2, 1.6, -0.6, 2.0],
        },
    ];
    let (side, pitch, left, top) = (T * CELL, T * CELL + 30, 26, 32);
    let mut body = String::new();
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = ((left + index * pitch) as f64, top as f64);
        let middle = x + side as f64 / 2.0;
        body += &text(middle, y - 12.0, "text-anchor=\"middle\" font-weight=\"600\" font-size=\"14\"", panel.name);
        body += &format!("<g transform=\"translate({x} {y})\">\n{}</g>\n", cells(panel, &shares(panel, &keys)));
        body += &text(middle, y + side as f64 + 20.0, "text-anchor=\"middle\"", panel.biases);
        body += &text(middle, y + side as f64 + 38.0, "text-anchor=\"middle\"", panel.cost);
    }
    body += &text(13.0, top as f64 + 10.0, "text-anchor=\"middle\" font-style=\"italic\"", "t");
    body += &text(13.0, top as f64 + 26.0, "text-anchor=\"middle\"", "↓");
    body += &text((left + side) as f64 - 26.0, top as f64 + 12.0, "font-style=\"italic\"", "t′ →");
    let note = format!(
        "Shade: how much the value at t′ counts in the output at t. Causal, T = {T}, s = {S}, one channel. Outlined: the window."
    );
    body += &text(left as f64, (top + side) as f64 + 66.0, "font-size=\"12\"", &note);
    let title = "What each position sees in AFT-simple, AFT-full, AFT-local and AFT-conv";
    image((left + 3 * pitch + side + 10) as u32, (top + side + 78) as u32, title, &body)
}

/// The share of each key in each row. A channel for each key has the value 1 there and 0 elsewhere.
fn shares(panel: &Panel, keys: &[f64]) -> Vec<f64> {
    let one_head = panel.name == "AFT-conv";
    let k: Vec<f64> = keys.iter().flat_map(|&k| vec![k; if one_head { 1 } else { T }]).collect();
    let v: Vec<f64> = (0..T * T).map(|i| f64::from(u8::from(i / T == i % T))).collect();
    let dims = Dims { b: 1, t: T, d: T };
    let heads = if one_head { 1 } else { T };
    let inputs = Inputs { dims, heads, causal: true, q: None, k: &k, v: &v, mask: None };
    mix::forward(&inputs, panel.layout.as_ref(), &panel.w).y
}

/// A path for each shade; a row's largest share is darkest.
fn cells(panel: &Panel, shares: &[f64]) -> String {
    let mut paths = vec![String::new(); SHADES + 1];
    for (t, row) in shares.chunks(T).enumerate() {
        let most = row.iter().copied().fold(0.0, f64::max);
        for (key, share) in row.iter().enumerate().filter(|&(_, &share)| share > 0.0) {
            let shade = (share / most * SHADES as f64).round() as usize;
            let (x, y, side) = (key * CELL, t * CELL, CELL - 1);
            let _ = write!(paths[shade.max(1)], "M{x} {y}h{side}v{side}h-{side}z");
        }
    }
    let mut out = String::new();
    for (shade, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
        let opacity = shade as f64 / SHADES as f64;
        let _ = writeln!(out, "<path fill=\"#2f81f7\" fill-opacity=\"{opacity:.2}\" d=\"{path}\"/>");
    }
    let side = T * CELL;
    let _ = writeln!(
        out,
        "<rect x=\"-1.5\" y=\"-1.5\" width=\"{0}\" height=\"{0}\" rx=\"3\" fill=\"none\" stroke=\"{GREY}\" stroke-opacity=\".5\"/>",
        side + 2
    );
    if panel.window {
        let _ = writeln!(
            out,
            "<path fill=\"none\" stroke=\"#e2711d\" stroke-width=\"1.8\" stroke-linejoin=\"round\" d=\"{}\"/>",
            outline()
        );
    }
    out
}

/// The window's outline: down the diagonal's stairs and back along the other edge.
fn outline() -> String {
    let corner =
        |column: usize, row: usize| format!("{:.1} {:.1}", (column * CELL) as f64 - 0.5, (row * CELL) as f64 - 0.5);
    let down = (0..T).flat_map(|t| [corner(t, t), corner(t + 1, t)]);
    let back = (0..T).rev().flat_map(|t| {
        let first = (t + 1).saturating_sub(S);
        [corner(first, t + 1), corner(first, t)]
    });
    format!("M{}z", down.chain([corner(T, T)]).chain(back).collect::<Vec<_>>().join("L"))
}
