// What a walk leaves in `rest` (lib/aft_rest.wgsl).
fn store(row: u32, c: u32, sums: Sums, centred: bool) {
    let at = row * params.width + c;
    let part = params.batch * params.time * params.width;
    rest[at] = sums.top;
    rest[at + part] = sums.a;
    rest[at + 2u * part] = sums.b;
    if centred { rest[at + 3u * part] = sums.c; }
}
