// What the kernels of multi-head softmax attention share. They work on rows first_row .. + rows of every sequence (a strip) and keys
// first_key .. + keys (a panel) at a time; what they keep of these pairs lies in planes [B strip, H panel], `panel` in vec4s of keys.
//
// A row of the plane qkv [B T, 3 width] holds q, k and v, width = heads x head_width vec4s each.
// The score of what is absent, and a bound between it and every real one: its weight next to any is exactly 0.
// reads: params.causal, params.first_key, params.first_row, params.head_width, params.heads, params.panel, params.strip
// reads: params.time
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
