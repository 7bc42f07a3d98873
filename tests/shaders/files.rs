//! Shader files lie where their stems say.

use std::collections::BTreeSet;

use super::root;

/// The stems of the WGSL files in a folder of `shaders`.
pub fn stems(folder: &str) -> impl Iterator<Item = String> {
    let files = std::fs::read_dir(root().join("shaders").join(folder)).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wgsl"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
}

#[test]
fn every_shader_file_is_part_of_a_kernel() {
    let joined: BTreeSet<_> = aft_wgpu::catalogue::all()
        .into_iter()
        .flat_map(|(kernel, special)| kernel.files(&special).collect::<Vec<_>>())
        .map(|fragment| fragment.stem.to_owned())
        .collect();
    let all =
        ["lib", "aft", "nn", "check", "bench"].map(|folder| stems(folder).map(move |stem| format!("{folder}/{stem}")));
    assert_eq!(joined, all.into_iter().flatten().collect());
}

/// Shaders without a family of files, and why.
const HELPERS: &[(&str, &str)] = &[
    ("nn/sum_slices", "a part of every sliced gradient: hosted by ops/gradient.rs, tested by each that uses it"),
    (
        "nn/attention_scores",
        "a step of attention: hosted by ops/nn/attention.rs, whose truth and test are of the whole",
    ),
    (
        "nn/attention_append",
        "the first step of attention_stream: hosted by ops/nn/attention_stream.rs, tested through it",
    ),
    ("nn/attention_softmax", "as attention_scores"),
    (
        "nn/attention_heads",
        "channels laid out for attention: hosted by ops/nn/attention_heads.rs, tested through attention",
    ),
    ("aft/mix_centre", "a step of every form: hosted by ops/aft/mix.rs, whose truth and test are of the whole"),
    ("aft/mix_rows", "as mix_centre"),
    ("aft/rest", "the part of a form outside of its window: hosted by ops/aft/rest.rs, tested through mix"),
    ("aft/rest_reduce", "as rest"),
    ("aft/rest_scan", "as rest"),
    ("aft/pairs", "the part of a form inside of its window: hosted by ops/aft/pairs.rs, tested through mix"),
    ("aft/pairs_grad", "as pairs"),
    ("aft/pairs_grad_bias", "as pairs"),
    ("aft/factors", "biases from factors: hosted by ops/aft/factors.rs, tested through mix"),
    ("aft/factors_grad", "as factors"),
    ("aft/dense", "biases from parameters: hosted by ops/aft/dense.rs, tested through mix"),
    ("aft/dense_grad", "as dense"),
    ("aft/grid", "a kernel on a grid: hosted by ops/aft/grid.rs, tested through mix"),
    ("aft/grid_grad", "as grid"),
    ("aft/grid_rest", "the part of a grid outside of the kernel: hosted by ops/aft/grid_rest.rs, tested through mix"),
    ("aft/taps_grad", "the gradient of a kernel: hosted by ops/aft/taps.rs, tested through mix"),
    ("aft/heads", "keys of heads handed to their channels: hosted by ops/aft/heads.rs, tested through mix"),
    ("aft/heads_grad", "as heads"),
];

/// A newcomer finds a kernel's host file, truth and test by its stem; gradients stand with their forward pass.
#[test]
fn stems_match_across_the_house() {
    for room in ["aft", "nn"] {
        for stem in stems(room) {
            if HELPERS.iter().any(|(helper, _)| *helper == format!("{room}/{stem}")) {
                continue;
            }
            let is_gradient = |i: &usize| matches!(stem.as_bytes().get(i + "_grad".len()), None | Some(b'_'));
            let end = stem.find("_grad").filter(is_gradient).unwrap_or(stem.len());
            let family = &stem[..end];
            let test = if room == "aft" { format!("aft_{family}") } else { family.to_owned() };
            for file in [
                format!("shaders/{room}/{family}.wgsl"),
                format!("src/ops/{room}/{family}.rs"),
                format!("src/reference/{room}/{family}.rs"),
                format!("tests/kernels/{test}.rs"),
            ] {
                assert!(root().join(&file).is_file(), "shaders/{room}/{stem}.wgsl: there is no {file}");
            }
        }
    }
}
