//! Kernels that do not compile: named, with the line.

use aft_wgpu::Error;
use aft_wgpu::gpu::{Fragment, Gpu, Kernel, ParamType, Placement, Specialization};
use pollster::block_on;

use crate::small::{settings, small, trainer};
use crate::{Trials, device, run_to};

pub const TRIALS: Trials = &[("a_broken_kernel_is_named_with_its_line", broken_kernel)];

/// A kernel of one parameter, with a fragment before its own file.
const fn kernel(stem: &'static str, entry: &'static str, fragments: &'static [Fragment]) -> Kernel {
    Kernel { stem, entry, fragments, params: &[("unused", ParamType::Number("u32"))], operands: &[] }
}

pub static BROKEN: Kernel = kernel(
    "aft/broken",
    "broken",
    &[Fragment {
        stem: "aft/broken",
        text: "@compute @workgroup_size(1)\nfn broken() {\n    let sum = missing + params.unused;\n}\n",
    }],
);

static BROKEN_FRAGMENT: Kernel = kernel(
    "aft/whole",
    "whole",
    &[
        Fragment { stem: "lib/helper", text: "// A helper.\n\nfn helper() -> u32 { return absent; }" },
        Fragment {
            stem: "aft/whole",
            text: "@compute @workgroup_size(1)\nfn whole() {\n    let sum = helper() + params.unused;\n}\n",
        },
    ],
);

static OTHER_ENTRY: Kernel = kernel(
    "aft/other",
    "nowhere",
    &[Fragment { stem: "aft/other", text: "@compute @workgroup_size(1)\nfn other() { _ = params.unused; }\n" }],
);

fn broken_kernel(gpu: &Gpu) {
    let gpu = &device(gpu);
    let mut witness = trainer(gpu, &small(), &settings());
    for (kernel, parts) in [
        (&BROKEN, &["aft/broken:broken", "shaders/aft/broken.wgsl line 3", "`let sum = missing", "report this"][..]),
        (&BROKEN_FRAGMENT, &["aft/whole:whole", "shaders/lib/helper.wgsl line 3", "return absent"]),
        (&OTHER_ENTRY, &["aft/other:nowhere"]),
    ] {
        let error = block_on(gpu.compile(kernel, &Specialization::new(Placement::Buffer))).unwrap_err();
        assert!(matches!(error, Error::Rejected { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
        gpu.check().unwrap();
    }
    // It is not kept: the second time it is compiled, and rejected, again.
    assert!(block_on(gpu.compile(&BROKEN, &Specialization::new(Placement::Buffer))).is_err());
    for (kernel, special) in aft_wgpu::catalogue::all().iter().take(3) {
        block_on(gpu.compile(kernel, special)).unwrap();
    }
    let expected = run_to(&mut trainer(gpu, &small(), &settings()), 3);
    assert!(run_to(&mut witness, 3) == expected);
}
