// The items that sums are taken over: keys of a forward pass, or rows of a gradient. Constants: KEYS, and CENTRED, which only keys are.
//   keys: items [B T, 3 D] has (q, k, v), which stand for e^k (v, 1, v - centre), the last where CENTRED = 1, unless `mask` takes them
//         out; centre [B, D]
//   rows: items [B T, 2 D] has (L, r), and g [B T, D] has G: they stand for e^(-L) (G, G r, 0), as a key that a row sees without a
//         bias has the share e^(k - L) of it
fn item(batch: u32, row: u32, c: u32) -> Sums {
    if KEYS == 0u {
        let g = g_at(row, c);
        return Sums(-items_at(row, c), g, g * items_at(row, params.width + c), vec4(0.0));
    }
    if !present(row) { return NOTHING; }
    let v = items_at(row, 2u * params.width + c);
    var key = Sums(bounded(items_at(row, params.width + c)), v, vec4(1.0), vec4(0.0));
    if CENTRED == 1u { key.c = v - centre_at(batch, c); }
    return key;
}
