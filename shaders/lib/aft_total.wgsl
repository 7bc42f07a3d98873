// The state of a strip alone, which the scan turns into a carry (lib/aft_carry.wgsl).
fn set_total_state(row: u32, c: u32, state: State) {
    set_total(3u * row, c, state.top);
    set_total(3u * row + 1u, c, state.a);
    set_total(3u * row + 2u, c, state.b);
}
