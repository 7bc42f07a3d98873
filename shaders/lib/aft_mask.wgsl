// Which keys there are: those that `mask` [B, T] does not take out. A masked key may hold anything.
// reads: mask, params.has_mask
fn present(row: u32) -> bool {
    return (params.has_mask == 0u) | (mask[row] != 0u);
}
