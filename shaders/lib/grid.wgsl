// The number of a workgroup in a dispatch that the host may have folded into two dimensions and cut into pieces. `first_group`,
// the last binding of every kernel, is the number of a piece's first workgroup.
fn group_number(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return first_group + group.x + group.y * groups.x;
}

// Flags of the four channels of vec4 `c`: whether each exists in a row of `cols`.
fn channels(c: u32, cols: u32) -> vec4<bool> {
    return vec4(4u * c) + vec4(0u, 1u, 2u, 3u) < vec4(cols);
}
