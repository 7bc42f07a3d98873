// Sums of exponentially weighted values that neither overflow nor vanish, four channels at a time.
//
// Sums stand for a e^top, b e^top and c e^top: of e^x (v, 1, v - centre) over keys in a forward pass, of e^x (G, H, 0) over
// rows in a gradient. Every weight is at most e^SLACK: `top` is the largest x or up to SLACK below it, so that sums whose
// exponents rise slowly are rescaled once a nat and not once an item, and do not gather the rounding of thousands of factors.
struct Sums {
    top: vec4<f32>,
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

const SLACK: f32 = 1.0;

// The exponent of what is absent: finite, and so far below every real one that its weight next to any is exactly 0.
const ABSENT: f32 = -1e38;
const NOTHING = Sums(vec4(ABSENT), vec4(0.0), vec4(0.0), vec4(0.0));

// Keys and biases are clamped to this magnitude, so that no sum of them overflows.
const LARGEST: f32 = 1e30;

fn bounded(x: vec4<f32>) -> vec4<f32> {
    return clamp(x, vec4(-LARGEST), vec4(LARGEST));
}

// What both stand for. One exp: the two exponents are opposite, and the factor of the larger is 1.
fn merge(one: Sums, other: Sums) -> Sums {
    let rise = other.top - one.top;
    let higher = rise > vec4(SLACK);
    let factor = exp(select(rise, -rise, higher));
    let mine = select(vec4(1.0), factor, higher);
    let theirs = select(factor, vec4(1.0), higher);
    return Sums(
        select(one.top, other.top, higher),
        one.a * mine + other.a * theirs,
        one.b * mine + other.b * theirs,
        one.c * mine + other.c * theirs,
    );
}
