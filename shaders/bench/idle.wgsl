// Almost no work: measures the cost of a dispatch itself.
// Operands: out [64].
@compute @workgroup_size(64)
fn idle(@builtin(local_invocation_index) lane: u32) {
    out[lane] = params.value;
}
