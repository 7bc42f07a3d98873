// The gate sigmoid(q). 1 - sigmoid(q) is sigmoid(-q), so that a saturated gate keeps its derivative.
fn sigmoid(q: vec4<f32>) -> vec4<f32> {
    // Up to exp(87) the reciprocal is a normal number.
    return 1.0 / (1.0 + exp(-clamp(q, vec4(-87.0), vec4(87.0))));
}
