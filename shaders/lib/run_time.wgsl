// A value of `params` for a branch or a loop bound, made to depend on the lane (lane / 256 is 0). Reason: if control flow depends
// on uniforms only, lavapipe (Mesa 22) specialises the shader, and so recompiles it, at every dispatch.
fn at_run_time(value: u32, lane: u32) -> u32 {
    return value + lane / 256u;
}
