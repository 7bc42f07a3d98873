// Sums of exponentially weighted values that neither overflow nor vanish, four channels at a time (lib/aft_bounds.wgsl): a e^top,
// b e^top and c e^top stand for the sums of e^x (v, 1, v - centre) over keys in a forward pass, of e^x (G, H, 0) over rows in a
// gradient.
// reads: ABSENT, scales
struct Sums {
    top: vec4<f32>,
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
}

const NOTHING = Sums(vec4(ABSENT), vec4(0.0), vec4(0.0), vec4(0.0));

// What both stand for.
fn merge(one: Sums, other: Sums) -> Sums {
    let s = scales(one.top, other.top);
    return Sums(
        s.top, one.a * s.one + other.a * s.other, one.b * s.one + other.b * s.other, one.c * s.one + other.c * s.other,
    );
}
