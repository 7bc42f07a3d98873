//! Kernels stay within what WebGPU promises every device, and within what every compiler does right.

use naga::{AddressSpace, TypeInner};

use super::{compile_with, compiled, label};

#[test]
fn kernels_keep_to_the_floor_of_webgpu() {
    for c in compiled() {
        let count =
            |is: fn(&TypeInner, AddressSpace) -> bool| c.used().filter(|(g, _)| is(c.inner(g), g.space)).count();
        let buffers = count(|_, space| matches!(space, AddressSpace::Storage { .. }));
        let textures = count(|inner, _| storage_image(inner) == Some(true));
        let sampled = count(|inner, _| storage_image(inner) == Some(false));
        assert!(buffers <= 8, "{}: {buffers} storage buffers", c.label);
        assert!(textures <= 4, "{}: {textures} storage textures", c.label);
        assert!(sampled <= 16, "{}: {sampled} sampled textures", c.label);

        let mut layout = naga::proc::Layouter::default();
        layout.update(c.module.to_ctx()).unwrap();
        let workgroup = c.used().filter(|(g, _)| g.space == AddressSpace::WorkGroup);
        let bytes: u32 = workgroup.map(|(g, _)| layout[g.ty].size).sum();
        assert!(bytes <= 16_384, "{}: {bytes} bytes of workgroup memory", c.label);

        let size = c.module.entry_points[0].workgroup_size;
        assert!(size.iter().product::<u32>() <= 256 && size[2] <= 64, "{}: workgroup of {size:?}", c.label);
    }
}

/// What asks for more than the floor says so, and is no kernel of the catalogue.
#[test]
fn half_precision_is_asked_for_by_name() {
    let (kernel, special) = aft_wgpu::catalogue::half_precision();
    assert!(special.half && kernel.wgsl(&special).starts_with("enable f16;"));
    let compiled = compile_with(naga::valid::Capabilities::SHADER_FLOAT16, kernel, &special);
    assert!(!compiled.spirv().is_empty());
    assert!(aft_wgpu::catalogue::all().iter().all(|(_, special)| !special.half));
}

/// Whether an image is stored to; none if the type is no image.
fn storage_image(inner: &TypeInner) -> Option<bool> {
    match inner {
        TypeInner::Image { class, .. } => Some(matches!(class, naga::ImageClass::Storage { .. })),
        _ => None,
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
    for (kernel, special) in aft_wgpu::catalogue::all().into_iter().chain([aft_wgpu::catalogue::half_precision()]) {
        let found = uninitialised(&kernel.wgsl(&special)).join(", ");
        assert!(found.is_empty(), "{}: {found}", label(kernel, &special));
    }
}
