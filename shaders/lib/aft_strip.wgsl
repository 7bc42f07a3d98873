// Time is cut into strips of `strip_rows` rows; a thread owns four channels of one strip of one sequence. Neighbouring threads
// own neighbouring channels. Constants: STRIP_GROUP, the threads of a workgroup.
struct Strip {
    batch: u32,
    number: u32,
    // Its vec4 of channels.
    column: u32,
    inside: bool,
}

fn strip_of(thread: u32) -> Strip {
    let strip = thread / params.width;
    let batch = strip / params.strips;
    return Strip(batch, strip % params.strips, thread % params.width, batch < params.batch);
}
