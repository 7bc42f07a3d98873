// What a row has to say once all its keys are in `sums` (lib/aft_sums.wgsl): y and, where CENTRED = 1, L and r.
// reads: ABSENT, CENTRED, Sums, channels, params.cols, params.gated, params.width, query, set_lr, set_y, sigmoid
fn set_mean(row: u32, c: u32, sums: Sums) {
    let empty = sums.b == vec4(0.0);
    let none = vec4(0.0);
    let inside = channels(c, params.cols);
    let den = select(sums.b, vec4(1.0), empty);
    let gate = select(vec4(1.0), sigmoid(query(row, c)), params.gated != 0u);
    set_y(row, c, select(gate * (sums.a / den), none, empty));
    if CENTRED == 1u {
        // A row without keys hands nothing on: its exponent -L is that of what is absent.
        set_lr(row, c, select(none, select(sums.top + log(den), vec4(-ABSENT), empty), inside));
        set_lr(row, params.width + c, select(none, select(sums.c / den, none, empty), inside));
    }
}
