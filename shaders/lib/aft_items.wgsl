// The items that sums are taken over: keys of a forward pass, or rows of a gradient, as `are_keys` and `are_centred` of a kernel say.
//   keys: items [B T, 3 D] has (q, k, v), which stand for e^k (v, 1, v - centre), unless `mask` takes them out; centre [B, D]
//         counts where they are centred
//   rows: items [B T, 2 D] has (L, r), and g [B T, D] has G: they stand for e^(-L) (G, G r, 0), as a key that a row sees without a
//         bias has the share e^(k - L) of it
// reads: NOTHING, Sums, are_centred, are_keys, bounded, centre_at, g_at, items_at, params.width, present
fn item(batch: u32, row: u32, c: u32) -> Sums {
    let first = items_at(row, select(0u, params.width, are_keys()) + c);
    let second = items_at(row, select(1u, 2u, are_keys()) * params.width + c);
    let g = g_at(row, c);
    let keys = vec4(are_keys());
    let from_centre = select(vec4(0.0), second - centre_at(batch, c), vec4(are_centred()));
    let sums = Sums(
        select(-first, bounded(first), keys), select(g, second, keys), select(g * second, vec4(1.0), keys), from_centre,
    );
    if !present(row) { return NOTHING; }
    return sums;
}
