//! Every kernel as text, without a device: it is legal WGSL within the floor that WebGPU promises, agrees with its declaration,
//! reaches every shading language, and lies where its stem says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod declarations;
mod files;
mod floor;
mod languages;

use std::collections::BTreeSet;
use std::path::Path;

use aft_wgpu::gpu::{Kernel, Specialization};
use naga::GlobalVariable;

/// A kernel's specialization, compiled.
struct Compiled {
    label: String,
    kernel: &'static Kernel,
    wgsl: String,
    module: naga::Module,
    info: naga::valid::ModuleInfo,
}

impl Compiled {
    /// The variables that the entry point uses, and how.
    fn used(&self) -> impl Iterator<Item = (&GlobalVariable, naga::valid::GlobalUse)> {
        let entry = self.info.get_entry_point(0);
        let globals = self.module.global_variables.iter();
        globals.map(|(handle, global)| (global, entry[handle])).filter(|(_, uses)| !uses.is_empty())
    }

    /// The module for Vulkan 1.1.
    fn spirv(&self) -> Vec<u32> {
        let options = naga::back::spv::Options { lang_version: (1, 3), ..Default::default() };
        naga::back::spv::write_vec(&self.module, &self.info, &options, None)
            .unwrap_or_else(|e| panic!("{}, SPIR-V: {e}", self.label))
    }

    fn inner(&self, global: &GlobalVariable) -> &naga::TypeInner {
        &self.module.types[global.ty].inner
    }
}

/// The catalogue, parsed and validated: naga's default capabilities hold no subgroups, no f16 and no push constants.
fn compiled() -> Vec<Compiled> {
    let all: Vec<_> = aft_wgpu::catalogue::all().into_iter().map(|(k, special)| compile(k, &special)).collect();
    let mut labels = BTreeSet::new();
    for Compiled { label, .. } in &all {
        assert!(labels.insert(label), "{label} stands twice in the catalogue");
    }
    all
}

fn compile(kernel: &'static Kernel, special: &Specialization) -> Compiled {
    compile_with(naga::valid::Capabilities::default(), kernel, special)
}

fn compile_with(
    capabilities: naga::valid::Capabilities,
    kernel: &'static Kernel,
    special: &Specialization,
) -> Compiled {
    use naga::valid::{ValidationFlags, Validator};
    let label = label(kernel, special);
    let wgsl = kernel.wgsl(special);
    let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(&wgsl)));
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{label}: {}", e.emit_to_string(&wgsl)));
    let names: Vec<_> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, [kernel.entry], "{label}: entry points");
    assert_eq!(module.overrides.len(), 0, "{label}: constants are textual");
    Compiled { label, kernel, wgsl, module, info }
}

/// A name for a specialization that is a legal file name.
fn label(kernel: &Kernel, special: &Specialization) -> String {
    let mut label = format!("{}-{:?}", kernel.stem.replace('/', "-"), special.placement).to_lowercase();
    if let Some(body) = special.body {
        label += &format!("-{}", body.stem.trim_start_matches("lib/"));
    }
    for (name, value) in &special.constants {
        label += &format!("-{}{value}", name.to_lowercase());
    }
    label
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
