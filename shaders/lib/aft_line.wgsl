// Which key tap `tap` of row t stands for on a line: t - (S-1) + tap if it is causal, else t - (S-1)/2 + tap; past every key if
// there is none.
// reads: params.causal, params.size
fn key_of_tap(t: u32, tap: u32) -> u32 {
    let before = select((params.size - 1u) / 2u, params.size - 1u, params.causal != 0u);
    return select(0xffffffffu, t + tap - before, t + tap >= before);
}
