// v and y meet dy scaled by a power of two: sums over the channels of a head, with v and dy at 1e18, then stay in f32, and products at
// 1e-9 far above 1.2e-38, below which an adapter may flush. What is taken from these sums is scaled back.
const SCALE: f32 = 0.000244140625; // 2^-12
const BACK: f32 = 4096.0;
