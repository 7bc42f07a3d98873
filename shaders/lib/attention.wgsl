// Shared code of multi-head softmax attention. A dispatch computes a tile: rows first_row .. + rows of every sequence (a strip)
// and keys first_key .. + keys (a panel). Score planes hold a value per row and key, [B strip, H panel], `panel` in vec4s of
// keys.
//
// A row of qkv [B T, 3 width] holds q, k and v of width = heads x head_width vec4s each.
// Score of an absent key, and a bound between it and all real scores. Next to a real score, its weight is exactly 0.
// reads: params.causal, params.first_key, params.first_row, params.head_width, params.heads, params.panel, params.strip
// reads: params.time
const ABSENT: f32 = -1e38;
const LOWEST: f32 = -1e37;

// One head of one sequence.
struct Place {
    head: u32,
    row: u32, // plane row of the strip's first row
    key: u32, // plane row of the panel's first key
    strip: u32, // the strip's first row in score planes
    pairs: u32, // the head's first column in score planes
    column: u32, // the head's first column in planes of channels
}

fn place_of(n: u32) -> Place {
    let batch = n / params.heads;
    let head = n % params.heads;
    let base = batch * params.time;
    return Place(
        head, base + params.first_row, base + params.first_key, batch * params.strip, head * params.panel, head * params.head_width,
    );
}

fn width() -> u32 {
    return params.heads * params.head_width;
}

// Flags of four rows or keys from `first` on: whether each is before `end`.
fn before_end(first: u32, end: u32) -> vec4<bool> {
    return vec4(first) + vec4(0u, 1u, 2u, 3u) < vec4(end);
}

// Flags of the keys of the panel's vec4 `c`: whether a row of the strip sees each, without regard to the mask.
fn seen(row: u32, c: u32) -> vec4<bool> {
    let keys = vec4(params.first_key + 4u * c) + vec4(0u, 1u, 2u, 3u);
    return (keys <= vec4(params.first_row + row)) | vec4(params.causal == 0u);
}

// The rows with those not in `there` set to 0, whatever they hold.
fn those(rows: mat4x4<f32>, there: vec4<bool>) -> mat4x4<f32> {
    let none = vec4(0.0);
    return mat4x4(
        select(none, rows[0], there.x), select(none, rows[1], there.y),
        select(none, rows[2], there.z), select(none, rows[3], there.w),
    );
}
