// Flags of the keys of a panel's vec4 `c`: false past the end, or if masked out. Constants: MASKED, whether there is a mask [B,
// T]. A masked key may hold anything.
// reads: MASKED, before_end, mask, params.keys
fn keys_there(panel: u32, c: u32) -> vec4<bool> {
    var there = before_end(4u * c, params.keys);
    if MASKED != 0u {
        let key = panel + 4u * c;
        there = there & (vec4(mask[key], mask[key + 1u], mask[key + 2u], mask[key + 3u]) != vec4(0u));
    }
    return there;
}
