// Draws the next token of each sequence from softmax(logits / temperature), cut to the `top_k` likeliest tokens and then to the
// fewest of these whose share reaches `top_p` (nucleus sampling: Holtzman et al., arXiv 1904.09751):
//   u = (pcg4d(seed, number of the token, sequence).x / 512 + 1/2) / 2^23
//   token = the first, from the likeliest on, at which the prefix sum of weights exceeds u times the sum of all kept weights
//
// Temperature 0 takes the likeliest token, the lowest of equals. NaN counts as the lowest logit, and logits are clamped to
// +-1e30, so the token is always one of the vocabulary.
//
// Operands: logits [N, V], cursor (lib/cursor.wgsl), sampling, tokens: a ring [mask + 1, N], which gets the drawn token. One
// workgroup per sequence; a lane stands first for a token, then for a rank.
// Words of `sampling`, on the host `ops::nn::sample::Settings`.
const SAMPLING_TEMPERATURE: u32 = 0u; // f32; 0 takes the likeliest token
const SAMPLING_TOP_P: u32 = 1u;       // f32; 1 keeps all
const SAMPLING_TOP_K: u32 = 2u;       // 0 keeps all
const SAMPLING_FIRST: u32 = 3u;       // random-number counter of sequence 0
const SAMPLING_SEED: u32 = 4u;        // two words

const LANES: u32 = 256u;
const LARGEST: f32 = 1e30;
const LOWEST: f32 = -3e38;
// e^-200 is 0 in f32.
const FARTHEST: f32 = 200.0;

var<workgroup> scores: array<f32, LANES>;     // by token
var<workgroup> ranked: array<u32, LANES>;     // tokens by rank
var<workgroup> cumulative: array<f32, LANES>; // prefix sums of weights by rank
var<workgroup> last: atomic<u32>;             // last kept rank
var<workgroup> chosen: atomic<u32>;           // drawn rank

@compute @workgroup_size(LANES)
fn sample(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group_number(group, groups);
    let vocabulary = params.vocabulary;
    let temperature = bitcast<f32>(sampling[SAMPLING_TEMPERATURE]);
    let top_p = bitcast<f32>(sampling[SAMPLING_TOP_P]);
    let top_k = select(sampling[SAMPLING_TOP_K], vocabulary, sampling[SAMPLING_TOP_K] == 0u);
    let greedy = temperature == 0.0;
    let count = select(min(top_k, vocabulary), 1u, greedy);

    scores[lane] = score(logits_at(n, lane / 4u)[lane % 4u]);
    if lane == 0u {
        atomicStore(&last, count - 1u);
        atomicStore(&chosen, count - 1u);
    }
    workgroupBarrier();
    let rank = select(lane, rank_of(lane), lane < vocabulary);
    ranked[rank] = lane;
    workgroupBarrier();
    let below = scores[ranked[0]] - scores[ranked[lane]];
    let scale = select(temperature, 1.0, greedy);
    cumulative[lane] = select(0.0, exp(-min(below, FARTHEST * scale) / scale), lane < count);
    workgroupBarrier();
    for (var reach = 1u; reach < LANES; reach *= 2u) {
        let before = select(0.0, cumulative[max(lane, reach) - reach], lane >= reach);
        workgroupBarrier();
        cumulative[lane] += before;
        workgroupBarrier();
    }
    if top_p < 1.0 && lane < count && cumulative[lane] >= top_p * cumulative[count - 1u] { atomicMin(&last, lane); }
    workgroupBarrier();
    let end = atomicLoad(&last);
    let number = cursor[CURSOR_END] - 1u;
    let word = pcg4d(vec4(sampling[SAMPLING_SEED], sampling[SAMPLING_SEED + 1u], number, sampling[SAMPLING_FIRST] + n)).x;
    // 23 bits plus one half: exact in f32, and never 1.
    let u = (f32(word >> 9u) + 0.5) / 8388608.0;
    if lane <= end && (cumulative[lane] > u * cumulative[end] || lane == end) { atomicMin(&chosen, lane); }
    workgroupBarrier();
    if lane == 0u && n < params.sequences {
        tokens[(number & params.mask) * params.sequences + n] = ranked[atomicLoad(&chosen)];
    }
}

fn score(logit: f32) -> f32 {
    // By bits, because some drivers compare NaN wrongly.
    let is_nan = (bitcast<u32>(logit) & 0x7fffffffu) > 0x7f800000u;
    return select(clamp(logit, -LARGEST, LARGEST), LOWEST, is_nan);
}

// Number of tokens that are likelier than `token`, or equally likely and lower.
fn rank_of(token: u32) -> u32 {
    let own = scores[token];
    let vocabulary = at_run_time(params.vocabulary, token);
    var rank = 0u;
    for (var other = 0u; other < vocabulary; other += 1u) {
        let higher = scores[other] > own || (scores[other] == own && other < token);
        rank += select(0u, 1u, higher);
    }
    return rank;
}
