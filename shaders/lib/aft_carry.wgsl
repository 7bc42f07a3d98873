// The state of all that comes before a strip in the order of the scan, or an empty one. Three rows of the plane carry
// [3 B strips, D] hold one.
fn carried(row: u32, c: u32, present: bool) -> State {
    var state = EMPTY;
    if present { state = State(carry_at(3u * row, c), carry_at(3u * row + 1u, c), carry_at(3u * row + 2u, c)); }
    return state;
}
