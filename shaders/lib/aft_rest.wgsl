// What a position sees without a bias, as sums: `rest` [3, B T, D] of top, a, b; of centred keys [4, B T, D] with c.
// reads: Sums, params.batch, params.time, params.width, rest
fn stored(row: u32, c: u32, centred: bool) -> Sums {
    let at = row * params.width + c;
    let part = params.batch * params.time * params.width;
    var sums = Sums(rest[at], rest[at + part], rest[at + 2u * part], vec4(0.0));
    if centred { sums.c = rest[at + 3u * part]; }
    return sums;
}
