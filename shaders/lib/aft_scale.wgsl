// G and H are kept scaled by a power of two, which costs no bit: sums of G v over 131,072 rows, with both at 1e18, then stay in f32.
// What is stored as a gradient is scaled back.
const SCALE: f32 = 5.9604645e-8; // 2^-24
const BACK: f32 = 16777216.0; // 2^24
