// Causal multi-head softmax attention (attention.wgsl) over a stream, one chunk of tokens a pass.
//
// The cache holds keys and values of all positions, the pass's own included (attention_append.wgsl). A workgroup computes 64
// vec4s of a head of a row, over tiles of 64 keys: a thread first computes one key's score, then one vec4 of the sums. Rows that
// the pass does not use keep their values.
//
// Operands: qkv [N C, 3 D], cursor (lib/cursor.wgsl), cache [N, T, 2, D] of keys and values, y [N C, D].
const LANES: u32 = 64u;
const LOWEST: f32 = -1e37;

var<workgroup> shares: array<f32, 64>;

@compute @workgroup_size(ROW_GROUP)
fn stream(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let number = group_number(group, groups);
    let part = number % params.parts;
    let head = number / params.parts % params.heads;
    let row = number / params.parts / params.heads;
    let i = row % params.chunk;
    // A folded dispatch may have surplus workgroups.
    let real = (row < params.rows) & (i < cursor[CURSOR_ROWS]);
    let keys = select(0u, cursor[CURSOR_POSITION] + i + 1u, real);
    let width = params.heads * params.head_width;
    let base = row / params.chunk * params.time * 2u * width + head * params.head_width;
    let column = head * params.head_width;
    let c = part * LANES + lane;

    var top = LOWEST;
    var den = 0.0;
    var num = vec4(0.0);
    for (var first = 0u; first < keys; first += LANES) {
        let key = first + lane;
        var score = -1e38;
        if key < keys {
            score = 0.0;
            let at = base + key * 2u * width;
            for (var d = 0u; d < params.head_width; d += 1u) { score += dot(qkv_at(row, column + d), cache[at + d]); }
            score *= params.scale;
        }
        let high = max(top, row_max(lane, score));
        let factor = exp(top - high);
        let share = exp(score - high);
        top = high;
        den = den * factor + row_sum(lane, vec2(share, 0.0)).x;
        shares[lane] = share;
        workgroupBarrier();
        var sum = vec4(0.0);
        if c < params.head_width {
            let end = min(keys - first, LANES);
            for (var j = 0u; j < end; j += 1u) { sum += shares[j] * cache[base + (first + j) * 2u * width + width + c]; }
        }
        num = num * factor + sum;
        workgroupBarrier();
    }
    if real && c < params.head_width { set_y(row, column + c, num / den); }
}
