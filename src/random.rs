//! Counter-based random numbers. A value depends only on its counters, so any step can be replayed.

/// Four random words from four counters: the `pcg4d` hash (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020).
///
/// `shaders/lib/random.wgsl` has the same function and gives the same bits.
pub fn pcg4d(counters: [u32; 4]) -> [u32; 4] {
    let mut v = counters.map(|c| c.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    let mix = |v: &mut [u32; 4]| {
        v[0] = v[0].wrapping_add(v[1].wrapping_mul(v[3]));
        v[1] = v[1].wrapping_add(v[2].wrapping_mul(v[0]));
        v[2] = v[2].wrapping_add(v[0].wrapping_mul(v[1]));
        v[3] = v[3].wrapping_add(v[1].wrapping_mul(v[2]));
    };
    mix(&mut v);
    for c in &mut v {
        *c ^= *c >> 16;
    }
    mix(&mut v);
    v
}

/// A uniform integer in `0..bound` from four counters. `bound` is at least 1; the bias is below 2^-64 `bound`.
pub fn below(counters: [u32; 4], bound: u64) -> u64 {
    let [a, b, ..] = pcg4d(counters);
    let word = (u64::from(a) << 32) | u64::from(b);
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

/// A uniform number in the open interval (0, 1) from a random word.
pub fn unit(word: u32) -> f64 {
    (f64::from(word) + 0.5) / 4_294_967_296.0
}

/// Two independent standard normal numbers from four counters (Box-Muller).
pub fn normal_pair(counters: [u32; 4]) -> [f64; 2] {
    let [a, b, ..] = pcg4d(counters);
    let radius = (-2.0 * libm::log(unit(a))).sqrt();
    let angle = std::f64::consts::TAU * unit(b);
    [radius * libm::cos(angle), radius * libm::sin(angle)]
}
