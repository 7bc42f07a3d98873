// Which keys there are: those that `mask` [B, T] does not take out. A masked key may hold anything.
fn present(row: u32) -> bool {
    return (params.masked == 0u) | (mask[row] != 0u);
}
