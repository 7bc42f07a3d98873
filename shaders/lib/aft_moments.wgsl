// The mean of a head's raw taps, and 1 / standard deviation, or 0 where that is 0.
struct Moments {
    mean: f32,
    scale: f32,
}

fn moments_of(head: u32) -> Moments {
    let width = (params.taps + 3u) / 4u;
    var sum = vec4(0.0);
    for (var i = 0u; i < width; i += 1u) { sum += raw_at(head * width + i); }
    let mean = (sum.x + sum.y + sum.z + sum.w) / f32(params.taps);
    var squares = vec4(0.0);
    for (var i = 0u; i < width; i += 1u) {
        let d = select(vec4(0.0), raw_at(head * width + i) - mean, channels(i, params.taps));
        squares += d * d;
    }
    let variance = (squares.x + squares.y + squares.z + squares.w) / f32(params.taps);
    // The mean of equal taps may be off by its rounding: what is left of them is that, and no deviation.
    let none = sqrt(variance) <= 4e-7 * abs(mean);
    return Moments(mean, select(1.0 / sqrt(max(variance, 1e-38)), 0.0, none | (variance == 0.0)));
}
