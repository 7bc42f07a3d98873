// Sums of what lies outside of a window as they are kept: of keys (log b, a / b, c / b) with b = 1, of rows (top, a, b).
// Absent sums have the exponent of what is absent.
fn kept_keys(top: vec4<f32>, a: vec4<f32>, c: vec4<f32>) -> Sums {
    return Sums(top, a, select(vec4(1.0), vec4(0.0), top <= vec4(0.5 * ABSENT)), c);
}
