//! The pictures of the documentation, as SVG that is legible on a light and on a dark background.

mod forms;
mod times;

pub use forms::forms;
pub use times::times;

/// Grey of text and frames: the same contrast, 4.3, to white and to a black page.
const GREY: &str = "#788088";

/// An SVG image with a title for those who cannot see it.
fn image(width: u32, height: u32, title: &str, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\" font-family=\"system-ui, 'Segoe UI', Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"13\" \
         fill=\"{GREY}\">\n<title>{title}</title>\n{body}</svg>\n"
    )
}

/// A line of text; `style` holds attributes, as `text-anchor="end"`.
fn text(x: f64, y: f64, style: &str, text: &str) -> String {
    format!("<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>\n")
}
