// AdamW (Loshchilov and Hutter, 2019, arXiv 1711.05101, Algorithm 2) over a page of parameters:
//   g = clip grad,   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
//   param -= lr (m / correction1 / (sqrt(v / correction2) + eps) + weight_decay param)
//
// train_state.wgsl has stored lr, clip and the corrections. If the gradient was not finite, nothing is stored. Only the first
// `decayed` vec4s decay. Padding (parameter and gradient 0) stays 0, because eps is positive.
//
// Operands: grad [N], state (lib/train_state.wgsl), param [N], m [N], v [N].
// vec4s per thread; it reads the state once for all of them.
const SPAN: u32 = 4u;

@compute @workgroup_size(64)
fn update(@builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    if state[STATE_FINITE] == 0u { return; }
    let clip = state_f32(STATE_CLIP);
    let lr = state_f32(STATE_LR);
    let correction1 = state_f32(STATE_CORRECTION1);
    let correction2 = state_f32(STATE_CORRECTION2);
    let first = group_number(group, groups) * (64u * SPAN) + lane;
    for (var i = first; i < min(first + 64u * SPAN, params.len); i += 64u) {
        let g = clip * grad[i];
        let moment1 = params.beta1 * m[i] + (1.0 - params.beta1) * g;
        let moment2 = params.beta2 * v[i] + (1.0 - params.beta2) * g * g;
        let direction = moment1 / correction1 / (sqrt(moment2 / correction2) + params.eps);
        let decay = select(0.0, params.weight_decay, i < params.decayed);
        m[i] = moment1;
        v[i] = moment2;
        param[i] -= lr * (direction + decay * param[i]);
    }
}
