// The gradient of AFT-conv's projection (heads.wgsl): the key of a head gathers what its channels give.
//
// A thread owns a vec4 of a row. Operands: dqkv [B T, 3 D], dx [B T, 2 D + H].
// Channels that are summed before they are added to the rest.
const SPAN: u32 = 64u;

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let thread = group_number(group, groups) * 64u + lane;
    let vec4s = 2u * params.width + (params.heads + 3u) / 4u;
    let row = thread / vec4s;
    let j = thread % vec4s;
    if row >= params.rows { return; }
    if j < params.width {
        set_dx(row, j, dqkv_at(row, j));
    } else if j < 2u * params.width {
        set_dx(row, j, dqkv_at(row, params.width + j));
    } else {
        let head = 4u * (j - 2u * params.width);
        set_dx(row, j, vec4(dk_of_head(row, head), dk_of_head(row, head + 1u), dk_of_head(row, head + 2u), dk_of_head(row, head + 3u)));
    }
}

fn dk_of_head(row: u32, head: u32) -> f32 {
    var sum = 0.0;
    if head < params.heads {
        var c = head * params.head_channels;
        let end = c + params.head_channels;
        while c < end {
            // Sums in two levels, so that those of thousands of channels do not drift.
            var part = 0.0;
            let stop = min(c + SPAN, end);
            for (; c < stop; c += 1u) { part += dqkv_at(row, params.width + c / 4u)[c % 4u]; }
            sum += part;
        }
    }
    return sum;
}
