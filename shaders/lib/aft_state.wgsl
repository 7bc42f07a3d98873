// Sums of exponentially weighted values that neither overflow nor vanish, four channels at a time.
//
// A state stands for the sums a e^top of e^x a_x and b e^top of e^x b_x over pairs (x, (a_x, b_x)): numerator and denominator
// in the forward pass (b_x = 1), the sums of G and H in the gradient. A pair is the state (x, a_x, b_x) itself.
//
// `top` is the largest x or up to SLACK below it: a state whose exponents rise slowly is rescaled once a nat, not once a pair,
// and so does not gather the rounding of thousands of factors near 1. Every weight is at most e^SLACK.
struct State {
    top: vec4<f32>,
    a: vec4<f32>,
    b: vec4<f32>,
}

const SLACK: f32 = 1.0;

// The exponent of what is absent: finite, below every real one, and so far below that its weight is exactly 0 next to any.
// What a state of absent pairs holds vanishes when a real one is added.
const ABSENT: f32 = -1e38;
const EMPTY = State(vec4(ABSENT), vec4(0.0), vec4(0.0));

// Adds what `other` stands for. One exp: the two exponents are opposite, and the factor of the larger is 1.
fn merge(state: State, other: State) -> State {
    let rise = other.top - state.top;
    let higher = rise > vec4(SLACK);
    let factor = exp(select(rise, -rise, higher));
    let mine = select(vec4(1.0), factor, higher);
    let theirs = select(factor, vec4(1.0), higher);
    return State(
        select(state.top, other.top, higher),
        state.a * mine + other.a * theirs,
        state.b * mine + other.b * theirs,
    );
}

// Keys and biases are clamped to this magnitude, so that no sum of them overflows.
const LARGEST: f32 = 1e30;

fn bounded(x: vec4<f32>) -> vec4<f32> {
    return clamp(x, vec4(-LARGEST), vec4(LARGEST));
}
