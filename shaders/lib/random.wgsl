// Four random words from four counters: the pcg4d hash (Jarzynski and Olano, "Hash Functions for GPU Rendering", 2020).
// src/random.rs has the same function and gives the same bits.
fn pcg4d(counters: vec4<u32>) -> vec4<u32> {
    var v = pcg4d_mix(counters * 1664525u + 1013904223u);
    v ^= v >> vec4(16u);
    return pcg4d_mix(v);
}

fn pcg4d_mix(counters: vec4<u32>) -> vec4<u32> {
    var v = counters;
    v.x += v.y * v.w;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v.w += v.y * v.z;
    return v;
}
