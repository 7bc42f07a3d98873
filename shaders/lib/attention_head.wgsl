// The head of a sequence that a slice of a matrix product (lib/gemm_*.wgsl) computes. `depth` sets it before any operand is
// loaded.
// reads: Place, params.batch, params.heads
var<private> place: Place;

fn slices() -> u32 { return params.batch * params.heads; }

fn store_sums(c: u32, value: vec4<f32>, slice: u32) {}
