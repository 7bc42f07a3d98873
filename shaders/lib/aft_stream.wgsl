// The sums of a stream over the keys that it has read: num = sum e^k v and den = sum e^k in units of e^top, four channels at a
// time. They are in two levels: `low` gathers STREAM_BLOCK keys, then joins `high`, so that no sum grows long enough to lose
// digits. `top` follows the largest key as that of a State (lib/aft_state.wgsl) does.
// reads: ABSENT, State, params.width, scales
struct Kept {
    top: vec4<f32>,
    num_high: vec4<f32>,
    den_high: vec4<f32>,
    num_low: vec4<f32>,
    den_low: vec4<f32>,
}

const STREAM_BLOCK: u32 = 256u;

// Adds key number `count` of the sums, from 0.
fn push(sums: Kept, count: u32, k: vec4<f32>, v: vec4<f32>) -> Kept {
    var next = sums;
    if count % STREAM_BLOCK == 0u {
        next.num_high += next.num_low;
        next.den_high += next.den_low;
        next.num_low = vec4(0.0);
        next.den_low = vec4(0.0);
    }
    let s = scales(next.top, k);
    return Kept(
        s.top, next.num_high * s.one, next.den_high * s.one, next.num_low * s.one + s.other * v, next.den_low * s.one + s.other,
    );
}

fn joined(sums: Kept) -> State {
    return State(sums.top, sums.num_high + sums.num_low, sums.den_high + sums.den_low);
}

// The sums of a sequence [N, 5, D] in `sums`; at position 0 there are none.
fn load_sums(n: u32, c: u32, position: u32) -> Kept {
    var loaded = Kept(vec4(ABSENT), vec4(0.0), vec4(0.0), vec4(0.0), vec4(0.0));
    if position > 0u {
        let i = 5u * n * params.width + c;
        let w = params.width;
        loaded = Kept(sums[i], sums[i + w], sums[i + 2u * w], sums[i + 3u * w], sums[i + 4u * w]);
    }
    return loaded;
}

fn store_sums(n: u32, c: u32, stored: Kept) {
    let i = 5u * n * params.width + c;
    let w = params.width;
    sums[i] = stored.top;
    sums[i + w] = stored.num_high;
    sums[i + 2u * w] = stored.den_high;
    sums[i + 3u * w] = stored.num_low;
    sums[i + 4u * w] = stored.den_low;
}
