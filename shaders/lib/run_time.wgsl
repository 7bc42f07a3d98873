// A value of `params` that decides a branch or the end of a loop. A lane's number, below 256, takes part so that it depends on
// more than uniforms: lavapipe (Mesa 22) compiles a shader anew at every dispatch, to specialise it, where control flow
// depends on uniforms alone. Other compilers see the value itself.
fn at_run_time(value: u32, lane: u32) -> u32 {
    return value + lane / 256u;
}
