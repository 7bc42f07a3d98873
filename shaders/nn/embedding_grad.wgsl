// Gradients of the embedding tables:
//   d_token[v, :] = sum over rows with token v of dx,   d_position[t, :] = sum over b of dx[b, t, :]
//
// The batch's `order` gives the rows of a token, so that the sum needs no atomics and its order is fixed. LANES threads share a
// sum, each in blocks, which keeps it accurate for any number of rows.
//
// Operands: data (lib/batch.wgsl), state (lib/train_state.wgsl), dx [B, T, D], out: d_token [V, D], then at `position_offset`
// vec4s d_position ([T, D] or longer; positions from T on get 0).
// Constants: LANES, a power of two up to 64.
const SUM_BLOCK: u32 = 64u * LANES;
// Neighbouring threads have neighbouring channels.
const COLUMNS: u32 = 64u / LANES;
var<workgroup> lane_sums: array<vec4<f32>, 64>;

@compute @workgroup_size(64)
fn gradient(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let column = group_number(group, groups) * COLUMNS + lane % COLUMNS;
    let c = column % params.width;
    let table_row = column / params.width;
    let is_token = table_row < params.vocabulary;
    let position = table_row - params.vocabulary;
    let order = batch_start() + 2u * params.rows;

    var first = 0u;
    var end = 0u;
    if is_token {
        first = data[order + params.rows + table_row];
        end = data[order + params.rows + table_row + 1u];
    } else if position < params.length {
        end = params.rows / params.length;
    }
    var sum = vec4(0.0);
    for (var block = first + lane / COLUMNS; block < end; block += SUM_BLOCK) {
        var part = vec4(0.0);
        for (var i = block; i < min(block + SUM_BLOCK, end); i += LANES) {
            var row = i * params.length + position;
            if is_token { row = data[order + i]; }
            part += dx_at(row, c);
        }
        sum += part;
    }
    sum = lanes_sum(lane, sum);

    if lane >= COLUMNS || table_row >= params.vocabulary + params.positions { return; }
    let at = select(params.position_offset + position * params.width, table_row * params.width, is_token) + c;
    if at_run_time(params.accumulate, lane) != 0u { sum += out[at]; }
    out[at] = sum;
}

// Sum over the threads that share a column; only the first one gets it.
fn lanes_sum(lane: u32, value: vec4<f32>) -> vec4<f32> {
    if LANES == 1u { return value; }
    lane_sums[lane] = value;
    workgroupBarrier();
    for (var lanes = LANES / 2u; lanes > 0u; lanes /= 2u) {
        if lane / COLUMNS < lanes { lane_sums[lane] += lane_sums[lane + lanes * COLUMNS]; }
        workgroupBarrier();
    }
    return lane_sums[lane];
}
