// The items that sums are taken over: keys of a forward pass, or rows of a gradient, each three planes side by side in a row of
// `items` [B T, 3 D].
//   keys: (q, k, v) stands for e^k (v, 1, v - centre), unless `mask` takes it out; centre [B, D] counts where `centred`
//   rows: (L, G, H) stands for e^(-L) (G, H, 0): a key that a row sees without a bias has the share e^(k - L) of it
fn item(batch: u32, row: u32, c: u32) -> Sums {
    let first = items_at(row, c);
    let second = items_at(row, params.width + c);
    let third = items_at(row, 2u * params.width + c);
    let keys = vec4(params.keys != 0u);
    let from_centre = select(vec4(0.0), third - centre_at(batch, c), vec4(params.centred != 0u));
    let sums = Sums(
        select(-first, bounded(second), keys), select(second, third, keys), select(third, vec4(1.0), keys), from_centre,
    );
    if !present(row) { return NOTHING; }
    return sums;
}
