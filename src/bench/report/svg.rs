//! Text in HTML and SVG, and the frame of a picture.

use crate::printable::is_escaped;

/// Escapes text for HTML, including attributes.
pub fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c if is_escaped(c) || c == '\t' => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A picture of `width` x `height` units with a title and description for screen readers. `id` must be unique on the page.
pub fn picture(id: &str, (width, height): (f64, f64), title: &str, describe: &str, body: &str) -> String {
    let (title, describe) = (escape(title), escape(describe));
    format!(
        "<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-labelledby=\"{id}-title {id}-desc\">\n\
         <title id=\"{id}-title\">{title}</title>\n<desc id=\"{id}-desc\">{describe}</desc>\n{body}</svg>\n"
    )
}

/// Text with its anchor: "start", "middle" or "end".
pub fn text(class: &str, (x, y): (f64, f64), anchor: &str, text: &str) -> String {
    format!("<text class=\"{class}\" x=\"{x:.2}\" y=\"{y:.2}\" text-anchor=\"{anchor}\">{}</text>\n", escape(text))
}

/// A straight line.
pub fn segment(class: &str, from: (f64, f64), to: (f64, f64)) -> String {
    let ((x1, y1), (x2, y2)) = (from, to);
    format!("<line class=\"{class}\" x1=\"{x1:.2}\" y1=\"{y1:.2}\" x2=\"{x2:.2}\" y2=\"{y2:.2}\"/>\n")
}
