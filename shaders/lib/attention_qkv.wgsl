// Four rows of qkv from `row` on.
// reads: qkv_at
fn qkv_block(row: u32, c: u32) -> mat4x4<f32> {
    return mat4x4(qkv_at(row, c), qkv_at(row + 1u, c), qkv_at(row + 2u, c), qkv_at(row + 3u, c));
}
