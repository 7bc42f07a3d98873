// A row of the plane qkv [B T, 3 x width] holds q, k and v, `width` vec4s each.
// reads: bounded, params.width, qkv_at
fn query(row: u32, c: u32) -> vec4<f32> {
    return qkv_at(row, c);
}

fn key(row: u32, c: u32) -> vec4<f32> {
    return bounded(qkv_at(row, params.width + c));
}

fn value(row: u32, c: u32) -> vec4<f32> {
    return qkv_at(row, 2u * params.width + c);
}
