// Stores the gradients of a key and its value from the sums of p G and p H over the rows that see it:
//   dv = sum p G,  dk = sum p (G v - H)
fn set_key_gradient(row: u32, c: u32, sum_g: vec4<f32>, sum_h: vec4<f32>) {
    set_dqkv(row, params.width + c, value(row, c) * sum_g - sum_h);
    set_dqkv(row, 2u * params.width + c, sum_g);
}
