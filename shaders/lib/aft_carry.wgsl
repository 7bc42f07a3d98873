// The state of all that lies before a strip in scan order; three rows of the plane carry [3 B strips, D] hold one.
fn carried(row: u32, c: u32) -> State {
    return State(carry_at(3u * row, c), carry_at(3u * row + 1u, c), carry_at(3u * row + 2u, c));
}
