// The keys that a forward pass sums over: rows of the plane qkv that are present (lib/aft_mask.wgsl). Where CENTRED = 1, values
// are also summed as differences from `centre` [B, D] (mix_centre.wgsl).
fn centred(batch: u32, c: u32, v: vec4<f32>) -> vec4<f32> {
    var difference = vec4(0.0);
    if CENTRED == 1u { difference = v - centre_at(batch, c); }
    return difference;
}

fn item(batch: u32, row: u32, c: u32) -> Sums {
    let v = value(row, c);
    if !present(row) { return NOTHING; }
    return Sums(key(row, c), v, vec4(1.0), centred(batch, c, v));
}
