// The gradients of a key and its value, from the sums over the rows that see it: g of p G, h of p H.
// reads: centre_at, channels, params.cols, params.width, present, set_dqkv, value
fn set_shares(batch: u32, row: u32, c: u32, g: vec4<f32>, h: vec4<f32>) {
    var dk = vec4(0.0);
    var dv = vec4(0.0);
    if present(row) {
        dk = (value(row, c) - centre_at(batch, c)) * g - h;
        dv = g;
    }
    let inside = channels(c, params.cols);
    set_dqkv(row, params.width + c, select(vec4(0.0), dk, inside));
    set_dqkv(row, 2u * params.width + c, select(vec4(0.0), dv, inside));
}
