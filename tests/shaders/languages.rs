//! Kernels reach every shading language.

use std::path::{Path, PathBuf};

use naga::ShaderStage;
use naga::back::{glsl, hlsl, msl};

use super::{Compiled, compiled};

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

/// Writes every specialization, as WGSL and as SPIR-V, for compilers and validators outside of this repository: to AFT_SHADER_DIR, or below
/// the target directory.
#[test]
fn kernels_are_written_out() {
    let default = || Path::new(env!("CARGO_TARGET_TMPDIR")).join("shaders");
    let dir = std::env::var_os("AFT_SHADER_DIR").map_or_else(default, PathBuf::from);
    std::fs::create_dir_all(&dir).unwrap();
    let mut manifest = Vec::new();
    for c in compiled() {
        let file = format!("{}.wgsl", c.label);
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
