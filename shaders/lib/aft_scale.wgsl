// G and H are kept scaled by a power of two: sums of G v over 131,072 rows, with both at 1e18, then stay in f32. It is no smaller than
// that needs, as an adapter may flush what falls below 1.2e-38. What is stored as a gradient is scaled back.
const SCALE: f32 = 0.000244140625; // 2^-12
const BACK: f32 = 4096.0;
