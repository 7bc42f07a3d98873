// The sums of e^x v and e^x over pairs (x, v) that a stream has read, as a e^top and b e^top, four channels at a time
// (lib/aft_bounds.wgsl). A pair is the state (x, v, 1) itself.
// reads: ABSENT, scales
struct State {
    top: vec4<f32>,
    a: vec4<f32>,
    b: vec4<f32>,
}

const EMPTY = State(vec4(ABSENT), vec4(0.0), vec4(0.0));

// What both stand for.
fn merge(state: State, other: State) -> State {
    let s = scales(state.top, other.top);
    return State(s.top, state.a * s.one + other.a * s.other, state.b * s.one + other.b * s.other);
}
