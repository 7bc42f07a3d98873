// What a walk over a strip begins with, and what it leaves in `rest` (lib/aft_rest.wgsl).
fn carry_from_before(row: u32, c: u32) -> Sums {
    let i = 4u * row;
    return Sums(carry_before_at(i, c), carry_before_at(i + 1u, c), carry_before_at(i + 2u, c), carry_before_at(i + 3u, c));
}

fn carry_from_after(row: u32, c: u32) -> Sums {
    let i = 4u * row;
    return Sums(carry_after_at(i, c), carry_after_at(i + 1u, c), carry_after_at(i + 2u, c), carry_after_at(i + 3u, c));
}

fn store(row: u32, c: u32, sums: Sums, centred: bool) {
    let at = row * params.width + c;
    let part = params.batch * params.time * params.width;
    rest[at] = sums.top;
    rest[at + part] = sums.a;
    rest[at + 2u * part] = sums.b;
    if centred { rest[at + 3u * part] = sums.c; }
}
