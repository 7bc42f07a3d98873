// What normalises the raw taps of a head: n = ((raw - first) / spread - mean) * scale. Differences from the first tap, divided by
// the largest of them, keep their digits and stay in range whatever offset and scale the taps have, up to 1.7e38. `spread` is 0 where all taps
// are equal.
// reads: channels, params.tap_count, raw_at
struct Moments {
    first: f32,
    spread: f32,
    mean: f32,
    // 1 / the population's standard deviation of (raw - first) / spread, or 0.
    scale: f32,
}

fn moments_of(head: u32, width: u32) -> Moments {
    let first = raw_at(head * width).x;
    var largest = vec4(0.0);
    for (var i = 0u; i < width; i += 1u) { largest = max(largest, abs(from_first(head * width + i, i, first))); }
    let spread = max(max(largest.x, largest.y), max(largest.z, largest.w));
    // A spread below the normal numbers is flushed to 0 on some adapters; it is 0 on all.
    if spread < 1.2e-38 { return Moments(first, 0.0, 0.0, 0.0); }
    var sum = vec4(0.0);
    for (var i = 0u; i < width; i += 1u) { sum += from_first(head * width + i, i, first) / spread; }
    let mean = (sum.x + sum.y + sum.z + sum.w) / f32(params.tap_count);
    var squares = vec4(0.0);
    for (var i = 0u; i < width; i += 1u) {
        let d = select(vec4(0.0), from_first(head * width + i, i, first) / spread - mean, channels(i, params.tap_count));
        squares += d * d;
    }
    let variance = (squares.x + squares.y + squares.z + squares.w) / f32(params.tap_count);
    return Moments(first, spread, mean, 1.0 / sqrt(variance));
}

fn from_first(at: u32, i: u32, first: f32) -> vec4<f32> {
    return select(vec4(0.0), raw_at(at) - first, channels(i, params.tap_count));
}

// n of four taps; 0 where all are equal.
fn normal(at: u32, i: u32, m: Moments) -> vec4<f32> {
    return (from_first(at, i, m.first) / select(m.spread, 1.0, m.spread == 0.0) - m.mean) * m.scale;
}
