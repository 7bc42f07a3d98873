// What the kernels of multi-head softmax attention share. They work on rows first_row .. + rows of every sequence (a strip) and keys
// first_key .. + keys (a panel) at a time; what they keep of these pairs lies in planes [B strip, H panel], `panel` in vec4s of keys.
//
// A row of the plane qkv [B T, 3 width] holds q, k and v, width = heads x head_width vec4s each.
struct Params {
    batch: u32,
    time: u32,
    heads: u32,
    head_width: u32, // vec4s
    first_row: u32,
    rows: u32,
    strip: u32,
    first_key: u32,
    keys: u32,
    panel: u32,
    causal: u32,
    first: u32,
    last: u32,
    out_column: u32,
    scale: f32, // 1 / sqrt(channels of a head)
    qkv_stride: u32,
    scores_stride: u32,
    weights_stride: u32,
    slopes_stride: u32,
    x_stride: u32,
    y_stride: u32,
    dy_stride: u32,
    before_stride: u32,
    out_stride: u32,
}

// The score of what is absent, and a bound between it and every real one: its weight next to any is exactly 0.
const ABSENT: f32 = -1e38;
const LOWEST: f32 = -1e37;

// One head of one sequence.
struct Place {
    head: u32,
    row: u32, // the plane row of the strip's first row
    key: u32, // the plane row of the panel's first key
    strip: u32, // the strip's first row in planes of pairs
    pairs: u32, // the head's first column in these
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

// Which of four rows or keys from `first` on are before `end`.
fn before_end(first: u32, end: u32) -> vec4<bool> {
    return vec4(first) + vec4(0u, 1u, 2u, 3u) < vec4(end);
}

// Which keys of the panel's vec4 c a row of the strip sees, as far as there are such.
fn seen(row: u32, c: u32) -> vec4<bool> {
    let keys = vec4(params.first_key + 4u * c) + vec4(0u, 1u, 2u, 3u);
    return (keys <= vec4(params.first_row + row)) | vec4(params.causal == 0u);
}

// Rows of which those that are not there count as 0, whatever they hold.
fn those(rows: mat4x4<f32>, there: vec4<bool>) -> mat4x4<f32> {
    let none = vec4(0.0);
    return mat4x4(
        select(none, rows[0], there.x), select(none, rows[1], there.y),
        select(none, rows[2], there.z), select(none, rows[3], there.w),
    );
}
