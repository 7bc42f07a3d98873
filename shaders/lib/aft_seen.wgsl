// Which keys a row sees through biases, and in which column of a plane of biases they lie.
//
// Column j of a row holds the biases of four keys: a block. Where the columns slide with the rows (a band, the taps of a
// convolution), column j of row t is block t/4 + ahead - j; else it is block j. Row t sees key t' if |t - t'| < reach, and
// t' <= t if it is causal.
// reads: params.ahead, params.causal, params.reach, params.slides, params.time
fn column_of(t: u32, block: u32) -> u32 {
    return select(block, t / 4u + params.ahead - block, params.slides != 0u);
}

// The inverse; past every block where there is none.
fn block_of(t: u32, j: u32) -> u32 {
    let end = t / 4u + params.ahead;
    return select(j, select(end - j, 0xffffffffu / 4u - 4u, j > end), params.slides != 0u);
}

// The blocks of keys from .x to before .y that a row of the tile t .. t + 3 may see.
fn blocks_of_keys(t: u32) -> vec2<u32> {
    let blocks = (params.time + 3u) / 4u;
    let end = select(blocks, t / 4u + 1u, params.causal != 0u);
    let back = (params.reach + 2u) / 4u;
    let first = max(t / 4u, back) - back;
    return vec2(first, min(end, t / 4u + back + 1u));
}

// The blocks of rows from .x to before .y of which one may see a key of the tile t .. t + 3.
fn blocks_of_rows(t: u32) -> vec2<u32> {
    let blocks = (params.time + 3u) / 4u;
    let back = (params.reach + 2u) / 4u;
    let first = select(max(t / 4u, back) - back, t / 4u, params.causal != 0u);
    return vec2(first, min(blocks, t / 4u + back + 1u));
}

// Which of the keys of a block row t sees.
fn seen(t: u32, block: u32) -> vec4<bool> {
    let keys = vec4(4u * block) + vec4(0u, 1u, 2u, 3u);
    let near = (keys < vec4(t + params.reach)) & (vec4(t) < keys + vec4(params.reach));
    let past = (keys <= vec4(t)) | vec4(params.causal == 0u);
    return near & past & (keys < vec4(params.time));
}
