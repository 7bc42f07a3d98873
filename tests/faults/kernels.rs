//! Kernels that do not compile: named, with the line.

use aft_wgpu::Error;
use aft_wgpu::gpu::{Gpu, Kernel, Placement, Variant};
use pollster::block_on;

use crate::small::{settings, small, trainer};
use crate::{Trials, device, run_to};

pub const TRIALS: Trials = &[("a_broken_kernel_is_named_with_its_line", broken_kernel)];

pub static BROKEN: Kernel = Kernel {
    stem: "aft/broken",
    entry: "broken",
    source: &[
        "struct Params { unused: u32 }\n",
        "@compute @workgroup_size(1)\nfn broken() {\n    let sum = missing + params.unused;\n}\n",
    ],
    params: &[("unused", 0)],
    operands: &[],
};

static BROKEN_PART: Kernel = Kernel {
    stem: "aft/whole",
    entry: "whole",
    source: &[
        "struct Params { unused: u32 }\n\nfn helper() -> u32 { return absent; }",
        "@compute @workgroup_size(1)\nfn whole() {\n    let sum = helper() + params.unused;\n}\n",
    ],
    params: &[("unused", 0)],
    operands: &[],
};

static OTHER_ENTRY: Kernel = Kernel {
    stem: "aft/other",
    entry: "nowhere",
    source: &["struct Params { unused: u32 }\n@compute @workgroup_size(1)\nfn other() { _ = params.unused; }\n"],
    params: &[("unused", 0)],
    operands: &[],
};

fn broken_kernel(gpu: &Gpu) {
    let gpu = &device(gpu);
    let mut witness = trainer(gpu, &small(), &settings());
    for (kernel, parts) in [
        (&BROKEN, &["aft/broken:broken", "shaders/aft/broken.wgsl line 3", "`let sum = missing", "report this"][..]),
        (&BROKEN_PART, &["aft/whole:whole", "part 1 of its source line 3", "return absent"]),
        (&OTHER_ENTRY, &["aft/other:nowhere"]),
    ] {
        let error = block_on(gpu.compile(kernel, &Variant::plain(Placement::Buffer))).unwrap_err();
        assert!(matches!(error, Error::Rejected { .. }), "{error}");
        for part in parts {
            assert!(error.to_string().contains(part), "{part} is missing in: {error}");
        }
        gpu.check().unwrap();
    }
    // It is not kept: the second time it is compiled, and rejected, again.
    assert!(block_on(gpu.compile(&BROKEN, &Variant::plain(Placement::Buffer))).is_err());
    for (kernel, variant) in aft_wgpu::ops::catalogue().iter().take(3) {
        block_on(gpu.compile(kernel, variant)).unwrap();
    }
    let expected = run_to(&mut trainer(gpu, &small(), &settings()), 3);
    assert!(run_to(&mut witness, 3) == expected);
}
