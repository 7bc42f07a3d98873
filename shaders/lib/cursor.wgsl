// Words of `cursor`, a small buffer with the position of a stream of tokens (nn/cursor.wgsl moves it). Tokens are numbered from
// the start of the stream, modulo 2^32; the model's positions from the token at `origin`. On the host `ops::nn::cursor::Cursor`.
const CURSOR_ORIGIN: u32 = 0u;   // number of the token at position 0
const CURSOR_POSITION: u32 = 1u; // position of the first row of the current pass
const CURSOR_ROWS: u32 = 2u;     // tokens of each sequence that the pass reads
const CURSOR_END: u32 = 3u;      // tokens so far, with the one that the pass makes
