// GELU in its erf form, x Phi(x), and its derivative Phi(x) + x phi(x) (Hendrycks and Gimpel 2016). WGSL has no erf, so Phi is
//   1/2 + x P(x^2) for |x| <= 1.4,   and past it a tail exp(-x^2 / 2) R(1 / (1 + 0.33 |x|)), which keeps its relative precision;
// P and R are minimax fits, off by less than 1e-9 in P and by 2.6e-7 of the tail in R. With rounding, erf is accurate to 2e-7.
struct Normal {
    distribution: vec4<f32>, // Phi(x)
    density: vec4<f32>, // phi(x)
}

fn normal(x: vec4<f32>) -> Normal {
    // Past 12.6 both tails are zero in f32, and the square must not overflow.
    let z = min(abs(x), vec4(12.6));
    let s = z * z;
    let bell = exp(-0.5 * s);
    let centre = 0.5 + clamp(x, vec4(-1.4), vec4(1.4)) * (0.39894229 + s * (-0.066490375 + s * (0.0099733602
        + s * (-0.0011850295 + s * (0.00011130315 + s * -0.0000067467577)))));
    let t = 1.0 / (1.0 + 0.33 * z);
    let tail = bell * t * (0.13172886 + t * (0.13021839 + t * (0.12798309 + t * (0.04752983 + t * (0.13571836 + t * -0.073526844)))));
    let outer = select(tail, 1.0 - tail, x >= vec4(0.0));
    return Normal(select(outer, centre, z <= vec4(1.4)), 0.3989422804 * bell);
}

fn gelu(x: vec4<f32>) -> vec4<f32> {
    return x * normal(x).distribution;
}

fn gelu_derivative(x: vec4<f32>) -> vec4<f32> {
    let n = normal(x);
    return n.distribution + clamp(x, vec4(-12.6), vec4(12.6)) * n.density;
}
