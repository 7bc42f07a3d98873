// What the gradient of a key takes from rows that see it without a bias: `rows` is the state of their (-L, G, H)
// (simple_grad_prepare.wgsl). Returns the sums of p G and p H.
struct Shares {
    g: vec4<f32>,
    h: vec4<f32>,
}

fn shares(k: vec4<f32>, rows: State) -> Shares {
    // p <= 1: no row's L is below a key that it sees.
    let p = exp(min(k + rows.top, vec4(0.0)));
    return Shares(p * rows.a, p * rows.b);
}

fn row_state(row: u32, c: u32) -> State {
    return State(-log_den_at(row, c), g_at(row, c), h_at(row, c));
}
