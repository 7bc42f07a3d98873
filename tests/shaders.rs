//! Every kernel as text, without a device: it is legal WGSL within the floor that WebGPU promises, agrees with its declaration,
//! reaches every shading language, and lies where its stem says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aft_wgpu::gpu::{Kernel, Variant};
use naga::back::{glsl, hlsl, msl, spv};
use naga::{AddressSpace, GlobalVariable, ShaderStage, TypeInner};

/// A kernel's variant, compiled.
struct Compiled {
    label: String,
    kernel: &'static Kernel,
    wgsl: String,
    module: naga::Module,
    info: naga::valid::ModuleInfo,
}

impl Compiled {
    /// The variables that the entry point uses.
    fn used(&self) -> impl Iterator<Item = &GlobalVariable> {
        let entry = self.info.get_entry_point(0);
        self.module.global_variables.iter().filter(|(handle, _)| !entry[*handle].is_empty()).map(|(_, global)| global)
    }

    /// The module for Vulkan 1.1.
    fn spirv(&self) -> Vec<u32> {
        let options = spv::Options { lang_version: (1, 3), ..Default::default() };
        spv::write_vec(&self.module, &self.info, &options, None)
            .unwrap_or_else(|e| panic!("{}, SPIR-V: {e}", self.label))
    }

    fn inner(&self, global: &GlobalVariable) -> &TypeInner {
        &self.module.types[global.ty].inner
    }
}

/// The catalogue, parsed and validated: naga's default capabilities hold no subgroups, no f16 and no push constants.
fn compiled() -> Vec<Compiled> {
    let mut all: Vec<_> = aft_wgpu::ops::catalogue().into_iter().map(|(k, variant)| compile(k, &variant)).collect();
    // A kernel with two bodies stands twice under one label.
    let mut seen = BTreeSet::new();
    for c in &mut all {
        while !seen.insert(c.label.clone()) {
            c.label.push_str("-other");
        }
    }
    all
}

fn compile(kernel: &'static Kernel, variant: &Variant) -> Compiled {
    compile_with(naga::valid::Capabilities::default(), kernel, variant)
}

fn compile_with(capabilities: naga::valid::Capabilities, kernel: &'static Kernel, variant: &Variant) -> Compiled {
    use naga::valid::{ValidationFlags, Validator};
    let label = label(kernel, variant);
    let wgsl = kernel.wgsl(variant);
    let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(&wgsl)));
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(&wgsl)));
    let names: Vec<_> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, [kernel.entry], "{label}: entry points");
    assert_eq!(module.overrides.len(), 0, "{label}: constants are textual");
    Compiled { label, kernel, wgsl, module, info }
}

/// A name for a variant that is a legal file name.
fn label(kernel: &Kernel, variant: &Variant) -> String {
    let mut label = format!("{}-{:?}", kernel.stem.replace('/', "-"), variant.placement).to_lowercase();
    for (name, value) in &variant.constants {
        label += &format!("-{}{value}", name.to_lowercase());
    }
    label
}

#[test]
fn kernels_keep_to_the_floor_of_webgpu() {
    for c in compiled() {
        let count = |is: fn(&TypeInner, AddressSpace) -> bool| c.used().filter(|g| is(c.inner(g), g.space)).count();
        let buffers = count(|_, space| matches!(space, AddressSpace::Storage { .. }));
        let textures = count(|inner, _| storage_image(inner) == Some(true));
        let sampled = count(|inner, _| storage_image(inner) == Some(false));
        assert!(buffers <= 8, "{}: {buffers} storage buffers", c.label);
        assert!(textures <= 4, "{}: {textures} storage textures", c.label);
        assert!(sampled <= 16, "{}: {sampled} sampled textures", c.label);

        let mut layout = naga::proc::Layouter::default();
        layout.update(c.module.to_ctx()).unwrap();
        let workgroup = c.used().filter(|g| g.space == AddressSpace::WorkGroup);
        let bytes: u32 = workgroup.map(|g| layout[g.ty].size).sum();
        assert!(bytes <= 16_384, "{}: {bytes} bytes of workgroup memory", c.label);

        let size = c.module.entry_points[0].workgroup_size;
        assert!(size.iter().product::<u32>() <= 256 && size[2] <= 64, "{}: workgroup of {size:?}", c.label);
    }
}

/// What asks for more than the floor says so, and is no kernel of the catalogue.
#[test]
fn half_precision_is_asked_for_by_name() {
    let (kernel, variant) = aft_wgpu::ops::half_precision();
    assert!(kernel.is_half() && kernel.wgsl(&variant).starts_with("enable f16;"));
    let compiled = compile_with(naga::valid::Capabilities::SHADER_FLOAT16, kernel, &variant);
    assert!(!compiled.spirv().is_empty());
    assert!(aft_wgpu::ops::catalogue().iter().all(|(kernel, _)| !kernel.is_half()));
}

/// Whether an image is stored to; none if the type is no image.
fn storage_image(inner: &TypeInner) -> Option<bool> {
    match inner {
        TypeInner::Image { class, .. } => Some(matches!(class, naga::ImageClass::Storage { .. })),
        _ => None,
    }
}

#[test]
fn params_agree_with_the_host() {
    for c in compiled() {
        let params = c.used().find(|g| g.name.as_deref() == Some("params"));
        let TypeInner::Struct { members, span } = c.inner(params.unwrap_or_else(|| panic!("{}: no params", c.label)))
        else {
            panic!("{}: params is no struct", c.label)
        };
        let shader: Vec<_> = members.iter().map(|m| (m.name.clone().unwrap(), m.offset as usize)).collect();
        let host: Vec<_> = c.kernel.params.iter().map(|&(name, offset)| (name.to_owned(), offset)).collect();
        assert_eq!(shader, host, "{}", c.label);
        // Fields of a host's struct take 4 bytes each.
        assert!(members.iter().all(|m| matches!(c.module.types[m.ty].inner, TypeInner::Scalar(s) if s.width == 4)));
        assert_eq!(*span as usize, 4 * host.len(), "{}", c.label);
    }
}

#[test]
fn every_operand_is_used() {
    for c in compiled() {
        let bound = c.used().filter(|g| g.binding.is_some()).filter_map(|g| g.name.clone());
        // A kernel of one thread has no number to ask for.
        let used: BTreeSet<_> = bound.filter(|name| name != "first_group").collect();
        let declared = c.kernel.operands.iter().map(|o| o.name).chain(["params"]);
        assert_eq!(used, declared.map(str::to_owned).collect(), "{}", c.label);
    }
}

/// Variables in blocks within functions that do not say what they begin with.
fn uninitialised(wgsl: &str) -> Vec<&str> {
    let code: Vec<&str> = wgsl.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let mut depth = 0;
    let mut found = Vec::new();
    // Statements, each with the braces before it.
    for statement in code.iter().flat_map(|line| line.split_inclusive(['{', '}', ';'])) {
        if depth > 1 && statement.trim().starts_with("var ") && !statement.contains('=') {
            found.push(statement.trim());
        }
        depth += statement.matches('{').count();
        depth -= statement.matches('}').count();
    }
    found
}

/// In WGSL such a variable is zero each time that a loop comes by its declaration; what Tint (Chromium 156) makes of it for Vulkan
/// keeps the value of the round before.
#[test]
fn variables_in_loops_say_what_they_begin_with() {
    let loops =
        "fn f() {\n var a: f32; // {\n for (;;) { var b: f32; // = 0\n\nvar c = 0.0;\n }\n}\nfn g() {\n var d: i32;\n}";
    assert_eq!(uninitialised(loops), ["var b: f32;"]);
    for (kernel, variant) in aft_wgpu::ops::catalogue().into_iter().chain([aft_wgpu::ops::half_precision()]) {
        let found = uninitialised(&kernel.wgsl(&variant)).join(", ");
        assert!(found.is_empty(), "{}: {found}", label(kernel, &variant));
    }
}

#[test]
fn kernels_reach_every_shading_language() {
    for c in compiled() {
        let Compiled { label, kernel, module, info, .. } = &c;
        let entry = || Some((ShaderStage::Compute, kernel.entry.to_owned()));
        assert!(!c.spirv().is_empty(), "{label}");

        let options = msl::Options { lang_version: (2, 0), ..Default::default() };
        let pipeline = msl::PipelineOptions { entry_point: entry(), ..Default::default() };
        let text = msl::write_string(module, info, &options, &pipeline);
        text.unwrap_or_else(|e| panic!("{label}, MSL: {e}"));

        let mut text = String::new();
        let (options, pipeline) = (hlsl::Options::default(), hlsl::PipelineOptions { entry_point: entry() });
        let written = hlsl::Writer::new(&mut text, &options, &pipeline).write(module, info, None);
        written.unwrap_or_else(|e| panic!("{label}, HLSL: {e}"));

        let mut text = String::new();
        let options = glsl::Options::default();
        let pipeline = glsl::PipelineOptions {
            shader_stage: ShaderStage::Compute,
            entry_point: kernel.entry.to_owned(),
            multiview: None,
        };
        let written = glsl::Writer::new(&mut text, module, info, &options, &pipeline, Default::default())
            .and_then(|mut writer| writer.write());
        written.unwrap_or_else(|e| panic!("{label}, GLSL ES 3.10: {e}"));
    }
}

/// Writes every variant, as WGSL and as SPIR-V, for compilers and validators outside of this repository: to AFT_SHADER_DIR, or below
/// the target directory.
#[test]
fn kernels_are_written_out() {
    let default = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("shaders");
    let dir = std::env::var_os("AFT_SHADER_DIR").map_or_else(default, PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    let mut manifest = Vec::new();
    let mut files = BTreeSet::new();
    for c in compiled() {
        let file = format!("{}.wgsl", c.label);
        assert!(files.insert(file.clone()), "{file} stands twice in the catalogue");
        std::fs::write(dir.join(&file), &c.wgsl).unwrap();
        let spirv: Vec<_> = c.spirv().into_iter().flat_map(u32::to_le_bytes).collect();
        std::fs::write(dir.join(format!("{}.spv", c.label)), spirv).unwrap();
        let entry = c.kernel.entry;
        manifest.push(
            serde_json::json!({ "label": c.label, "file": file, "entry": entry, "constants": {}, "plain": true }),
        );
    }
    std::fs::write(dir.join("manifest.json"), serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The stems of the WGSL files in a folder of `shaders`.
fn stems(folder: &str) -> Vec<String> {
    let files = std::fs::read_dir(root().join("shaders").join(folder)).into_iter().flatten();
    let mut stems: Vec<_> = files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "wgsl"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    stems.sort();
    stems
}

#[test]
fn every_shader_file_is_part_of_a_kernel() {
    let kernels: Vec<_> = aft_wgpu::ops::catalogue().into_iter().map(|(kernel, _)| kernel).collect();
    for folder in ["lib", "aft", "nn", "check"] {
        for stem in stems(folder) {
            let stem = format!("{folder}/{stem}");
            let text = std::fs::read_to_string(root().join(format!("shaders/{stem}.wgsl"))).unwrap();
            let joined = kernels.iter().any(|k| k.source.contains(&text.as_str()));
            assert!(joined, "shaders/{stem}.wgsl is joined to no kernel of the catalogue");
        }
    }
    for kernel in kernels {
        let file = root().join(format!("shaders/{}.wgsl", kernel.stem));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(kernel.source.contains(&text.as_str()), "{} is not joined from its stem", kernel.stem);
    }
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
