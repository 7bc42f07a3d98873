// Opens a pass over a stream of tokens: what the pass before has read lies behind, and the next `chunk` tokens, or as many as
// there are, lie ahead. `leave` tokens stay unread; `made` tokens are made by the pass, and counted now.
//
// A model has `length` positions. When they are full, the last `keep` tokens are read again from position 0.
//
// Operands: cursor (lib/cursor.wgsl). It runs as one invocation.
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
