//! The loss curve as SVG: bits per byte over steps, readable on light and dark backgrounds.

use aft_wgpu::printable::Printable;
use std::fmt::Write;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 34.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 50.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#374151}.ground{fill:#fff}.grid{stroke:#e5e7eb}\
polyline,.key{fill:none;stroke-width:2;stroke-linejoin:round}\
.train{stroke:#60a5fa}.valid{stroke:#d97706}.bigram{stroke:#6b7280;stroke-dasharray:5 4}\
@media(prefers-color-scheme:dark){text{fill:#d1d5db}.ground{fill:#111827}.grid{stroke:#374151}.bigram{stroke:#9ca3af}}";

/// Step and bits per byte.
type Point = (f64, f64);

/// The curve's data: points (step, bits per byte) in order, and the bigram model's result.
pub struct Curve<'a> {
    pub title: &'a str,
    pub train: &'a [Point],
    pub valid: &'a [Point],
    pub bigram: f64,
}

/// An axis: a value range and the pixels that it covers.
struct Axis {
    ticks: Vec<f64>,
    low: f64,
    high: f64,
    pixels: (f64, f64),
}

impl Axis {
    /// An axis that covers `values`, widened to whole ticks.
    fn new(values: impl Iterator<Item = f64>, pixels: (f64, f64)) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let step = tick_step((high - low).max(1e-3 * high.abs()).max(1e-9));
        let [first, last] = [(low / step).floor(), (high / step).ceil().max((low / step).floor() + 1.0)];
        let ticks: Vec<_> = (0..=(last - first) as u32).map(|i| (first + f64::from(i)) * step).collect();
        Self { low: first * step, high: last * step, ticks, pixels }
    }

    fn at(&self, value: f64) -> f64 {
        let (from, to) = self.pixels;
        from + (value - self.low) / (self.high - self.low) * (to - from)
    }
}

/// Distance of ticks: 1, 2 or 5 times a power of ten, so that about eight ticks or fewer cover `range`.
fn tick_step(range: f64) -> f64 {
    let least = range / 7.0;
    let power = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= least).unwrap_or(10.0 * power)
}

/// A tick's label, without superfluous digits.
fn label(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Curve<'_> {
    /// The picture as SVG text.
    pub fn svg(&self) -> String {
        let finite = |points: &[Point]| -> Vec<_> { points.iter().copied().filter(|p| p.1.is_finite()).collect() };
        let (train, valid) = (finite(self.train), finite(self.valid));
        let points = || train.iter().chain(&valid);
        let x = Axis::new(points().map(|p| p.0).chain([0.0]), (LEFT, WIDTH - RIGHT));
        let y = Axis::new(points().map(|p| p.1).chain([self.bigram]), (HEIGHT - BOTTOM, TOP));
        let title = escape(self.title);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"ground\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n"
        );
        self.grid(&mut svg, &x, &y);
        let level = y.at(self.bigram);
        line(&mut svg, "bigram", (LEFT, level), (WIDTH - RIGHT, level));
        for (class, points) in [("train", &train), ("valid", &valid)] {
            let pixels: Vec<_> = points.iter().map(|p| format!("{:.1},{:.1}", x.at(p.0), y.at(p.1))).collect();
            push(&mut svg, format_args!("<polyline class=\"{class}\" points=\"{}\"/>\n", pixels.join(" ")));
        }
        legend(&mut svg, &[("train", "training", &train), ("valid", "validation", &valid)], self.bigram);
        svg.push_str("</svg>\n");
        svg
    }

    fn grid(&self, svg: &mut String, x: &Axis, y: &Axis) {
        for &tick in &y.ticks {
            let at = y.at(tick);
            line(svg, "grid", (LEFT, at), (WIDTH - RIGHT, at));
            text(svg, (LEFT - 8.0, at + 4.0), "end", &label(tick));
        }
        for &tick in &x.ticks {
            let at = x.at(tick);
            line(svg, "grid", (at, HEIGHT - BOTTOM), (at, HEIGHT - BOTTOM + 5.0));
            text(svg, (at, HEIGHT - BOTTOM + 20.0), "middle", &label(tick));
        }
        text(svg, ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0), "middle", "step");
        let middle = (TOP + HEIGHT - BOTTOM) / 2.0;
        push(
            svg,
            format_args!(
                "<text x=\"16\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {middle})\">\
                 bits per byte</text>\n"
            ),
        );
    }
}

/// The legend above the plot, with the last value of each line.
fn legend(svg: &mut String, lines: &[(&str, &str, &[Point])], bigram: f64) {
    let named = lines.iter().map(|(class, name, points)| (*class, *name, points.last().map(|p| p.1)));
    let entries: Vec<_> = named.chain([("bigram", "bigram model", Some(bigram))]).collect();
    let width = (WIDTH - LEFT - RIGHT) / entries.len() as f64;
    for (i, (class, name, value)) in entries.into_iter().enumerate() {
        let at = LEFT + width * i as f64;
        line(svg, &format!("key {class}"), (at, 22.0), (at + 24.0, 22.0));
        let value = value.map_or_else(String::new, |v| format!(" {v:.3}"));
        text(svg, (at + 32.0, 26.0), "start", &format!("{name}{value}"));
    }
}

fn line(svg: &mut String, class: &str, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    push(svg, format_args!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"));
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, content: &str) {
    let (x, y) = at;
    let content = escape(content);
    push(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{content}</text>\n"));
}

/// Appends to a string, which cannot fail.
fn push(svg: &mut String, what: std::fmt::Arguments<'_>) {
    let _ = svg.write_fmt(what);
}

fn escape(text: &str) -> String {
    Printable(text).to_string().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAIN: &[Point] = &[(10.0, 7.9), (500.0, 3.2), (970.0, 2.7)];
    const VALID: &[Point] = &[(485.0, 3.3), (970.0, 2.8)];

    fn svg(train: &[Point], valid: &[Point]) -> String {
        Curve { title: "a & b <c>", train, valid, bigram: 3.4 }.svg()
    }

    /// Every coordinate of every polyline.
    fn coordinates(svg: &str) -> Vec<(f64, f64)> {
        let points = svg.split("points=\"").skip(1).filter_map(|rest| rest.split('"').next());
        let pairs = points.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once(','));
        pairs.filter_map(|(x, y)| Some((x.parse().ok()?, y.parse().ok()?))).collect()
    }

    #[test]
    fn every_point_lies_in_the_frame() {
        let points = coordinates(&svg(TRAIN, VALID));
        assert_eq!(points.len(), TRAIN.len() + VALID.len());
        for (x, y) in points {
            assert!((LEFT..=WIDTH - RIGHT).contains(&x) && (TOP..=HEIGHT - BOTTOM).contains(&y), "{x}, {y}");
        }
    }

    #[test]
    fn less_is_lower_and_later_is_further_right() {
        let points = coordinates(&svg(TRAIN, &[]));
        assert!(points.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{points:?}");
    }

    #[test]
    fn values_and_names_are_told() {
        let svg = svg(TRAIN, VALID);
        for part in ["training 2.700", "validation 2.800", "bigram model 3.400", "a &amp; b &lt;c&gt;", ">step<", ">8<"]
        {
            assert!(svg.contains(part), "{part} is missing:\n{svg}");
        }
    }

    #[test]
    fn odd_curves_still_give_a_picture() {
        for (train, valid) in [(&[][..], &[][..]), (&[(1.0, f64::NAN)], &[]), (&[(0.0, 3.4)], &[(0.0, 3.4)])] {
            let svg = svg(train, valid);
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
            assert!(svg.matches("class=\"grid\"").count() >= 4, "{svg}");
        }
    }

    #[test]
    fn ticks_are_round_and_few() {
        for range in [1e-3, 0.07, 0.5, 1.0, 5.2, 7.0, 970.0, 1e6] {
            let step = tick_step(range);
            assert!(range / step <= 7.0 + 1e-9 && range / step >= 2.0, "{range}: {step}");
        }
        assert_eq!([label(2.5), label(100.0), label(0.0), label(0.125)], ["2.5", "100", "0", "0.125"]);
    }
}
