// The rows that a gradient sums over: (L, G, H) in a row of the plane lgh [B T, 3 D] (mix_rows.wgsl). A key that a row sees
// without a bias has the share e^(k - L) of it, so a sum of p G over rows is e^k times one of e^(-L) G.
fn item(batch: u32, row: u32, c: u32) -> Sums {
    return Sums(-lgh_at(row, c), lgh_at(row, params.width + c), lgh_at(row, 2u * params.width + c), vec4(0.0));
}
