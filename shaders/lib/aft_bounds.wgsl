// What every sum of exponentially weighted values is kept within. A sum stands for a e^top: `top` is the largest exponent or up to
// SLACK below it (and as much again for each sum that it was merged from), so that a sum whose exponents rise slowly is rescaled once a nat, not once an
// item, and does not gather the rounding of thousands of factors near 1.
const SLACK: f32 = 1.0;

// The exponent of what is absent: finite, below every real one, and so far below that its weight is exactly 0 next to any.
const ABSENT: f32 = -1e38;

// Keys and biases are clamped to this magnitude, so that no sum of them overflows.
const LARGEST: f32 = 1e30;

fn bounded(x: vec4<f32>) -> vec4<f32> {
    return clamp(x, vec4(-LARGEST), vec4(LARGEST));
}

// How two sums are brought to one exponent: the larger of both, unless the second is higher by less than SLACK.
struct Scales {
    top: vec4<f32>,
    one: vec4<f32>,
    other: vec4<f32>,
}

// One exp: the two exponents are opposite, and the factor of the larger is 1.
fn scales(one: vec4<f32>, other: vec4<f32>) -> Scales {
    let rise = other - one;
    let higher = rise > vec4(SLACK);
    let factor = exp(select(rise, -rise, higher));
    return Scales(select(one, other, higher), select(vec4(1.0), factor, higher), select(factor, vec4(1.0), higher));
}
