// Which of the four keys `past` .. + 3 are in the causal window of row t: t - window < t' <= t.
fn in_window(t: u32, past: u32, window: u32) -> vec4<bool> {
    let keys = vec4(past) + vec4(0u, 1u, 2u, 3u);
    return (keys <= vec4(t)) & (vec4(t) < keys + vec4(window));
}
