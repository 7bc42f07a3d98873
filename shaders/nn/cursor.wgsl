// Opens a pass over a stream of tokens: moves the cursor past the tokens of the previous pass, and sets the number of rows to at
// most `chunk` unread tokens. `leave` tokens stay unread. `made` tokens, which the pass will make, are counted now.
//
// A model has `length` positions. When all are used, the last `keep` tokens are read again from position 0.
//
// Operands: cursor (lib/cursor.wgsl). Runs as one invocation.
@compute @workgroup_size(1)
fn open() {
    let end = cursor[CURSOR_END];
    var origin = cursor[CURSOR_ORIGIN];
    var position = cursor[CURSOR_POSITION] + cursor[CURSOR_ROWS];
    if position >= params.length {
        origin = end - params.keep;
        position = 0u;
    }
    let unread = max(end - origin - position, params.leave) - params.leave;
    cursor[CURSOR_ORIGIN] = origin;
    cursor[CURSOR_POSITION] = position;
    cursor[CURSOR_ROWS] = min(min(params.chunk, unread), params.length - position);
    cursor[CURSOR_END] = end + params.made;
}
