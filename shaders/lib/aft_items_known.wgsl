// What items are (lib/aft_items.wgsl), where a kernel is compiled for them: what it does not use, it does not load. Constants: KEYS,
// CENTRED.
// reads: CENTRED, KEYS
fn are_keys() -> bool { return KEYS == 1u; }

fn are_centred() -> bool { return CENTRED == 1u; }
