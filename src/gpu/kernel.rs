//! Kernels as data. A declaration names a kernel's operands once; the binding lines of the shader, the layout of its bind
//! group, the checks of a dispatch and the tests are all made from it.
//!
//! A shader is plain concatenation: constants, the binding lines written here, and the WGSL files of the declaration. The last
//! binding is the number of a dispatch's first workgroup, as a long dispatch comes in pieces.

use std::fmt::Write as _;

/// A compute kernel: one entry point of a shader stem.
#[derive(Debug)]
pub struct Kernel {
    /// The shader file below `shaders/`, without its ending; its host file, reference and test bear the same name.
    pub stem: &'static str,
    /// The entry point.
    pub entry: &'static str,
    /// The WGSL files, joined in this order.
    pub source: &'static [&'static str],
    /// Fields of the shader's `Params` (binding 0) with their byte offsets on the host.
    pub params: &'static [(&'static str, usize)],
    /// The operands; operand i is binding i + 1.
    pub operands: &'static [Operand],
}

/// One bound resource of a kernel.
#[derive(Debug)]
pub struct Operand {
    /// Its name in the shader.
    pub name: &'static str,
    /// Its shape in memory order.
    pub shape: &'static str,
    /// What it is bound to.
    pub kind: Kind,
}

/// What an operand is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows of vec4 channels, in a buffer or a texture: `NAME_at(row, col)` or `set_NAME(row, col, value)`.
    Plane(Access),
    /// A parameter, in a page or the page's texture: `NAME_at(index)`, in vec4s.
    Weights,
    /// A storage buffer of the WGSL element type given, bound under its own name.
    Array(&'static str, Access),
    /// A uniform buffer of so many vec4s that is loaded, bound under its own name.
    Table(u32),
}

/// What a kernel does with an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only loads.
    Read,
    /// It stores, and (arrays only) may load.
    Write,
}

impl Operand {
    /// A plane that is loaded.
    pub const fn plane(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, kind: Kind::Plane(Access::Read) }
    }
    /// A plane that is stored.
    pub const fn plane_out(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, kind: Kind::Plane(Access::Write) }
    }
    /// A parameter that is loaded.
    pub const fn weights(name: &'static str, shape: &'static str) -> Self {
        Self { name, shape, kind: Kind::Weights }
    }
    /// A buffer that is loaded.
    pub const fn array(name: &'static str, element: &'static str, shape: &'static str) -> Self {
        Self { name, shape, kind: Kind::Array(element, Access::Read) }
    }
    /// A buffer that is stored.
    pub const fn array_out(name: &'static str, element: &'static str, shape: &'static str) -> Self {
        Self { name, shape, kind: Kind::Array(element, Access::Write) }
    }

    /// A table of `len` vec4s that is loaded.
    pub const fn table(name: &'static str, len: u32, shape: &'static str) -> Self {
        Self { name, shape, kind: Kind::Table(len) }
    }

    /// Whether the kernel stores into it.
    pub fn writes(&self) -> bool {
        matches!(self.kind, Kind::Plane(Access::Write) | Kind::Array(_, Access::Write))
    }
}

/// Where planes and weights live. [`Gpu::placement`](super::Gpu::placement) says which is best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Placement {
    /// Storage buffers.
    Buffer,
    /// rgba32float textures, one texel a vec4.
    Texture,
}

/// How a kernel is specialised: where its planes live, and the `const` lines of its tile sizes and flags.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Where planes and weights live.
    pub placement: Placement,
    /// Constants by name, all u32.
    pub constants: Vec<(&'static str, u32)>,
}

impl Variant {
    /// A variant without constants.
    pub fn plain(placement: Placement) -> Self {
        Self { placement, constants: Vec::new() }
    }
}

/// vec4s in a row of a parameter page's texture.
pub(crate) const PAGE_ROW: u32 = 1024;

impl Kernel {
    /// Stem and entry point.
    pub(crate) fn label(&self) -> String {
        format!("{}:{}", self.stem, self.entry)
    }

    /// Whether workgroups are numbered: then a dispatch may be cut into pieces.
    pub(crate) fn is_numbered(&self) -> bool {
        self.source.last().is_some_and(|stem| stem.contains("group_number("))
    }

    /// Where line `line`, from 1, of `wgsl`, a text of [`Kernel::wgsl`], comes from, and what it says.
    pub(crate) fn origin(&self, wgsl: &str, line: usize) -> String {
        // Behind each part stands one more line end.
        let lines = |part: &&str| part.matches('\n').count() + 1;
        let text = wgsl.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let mut end = wgsl.matches('\n').count();
        for (i, part) in self.source.iter().enumerate().rev() {
            end = end.saturating_sub(lines(part));
            if line > end {
                // The last part is the stem's own file.
                let last = i + 1 == self.source.len();
                let file =
                    if last { format!("shaders/{}.wgsl", self.stem) } else { format!("part {} of its source", i + 1) };
                return format!("{file} line {} `{text}`", line - end);
            }
        }
        format!("its constants and bindings, line {line} `{text}`")
    }

    /// Whether it computes in half precision, which a device has to grant ([`wgpu::Features::SHADER_F16`]).
    pub fn is_half(&self) -> bool {
        self.source.contains(&"alias Real = f16;")
    }

    /// The whole WGSL text of a variant.
    pub fn wgsl(&self, variant: &Variant) -> String {
        let mut text = String::from(if self.is_half() { "enable f16;\n" } else { "" });
        for (name, value) in &variant.constants {
            let _ = writeln!(text, "const {name}: u32 = {value}u;");
        }
        text.push_str("@group(0) @binding(0) var<uniform> params: Params;\n");
        for (i, operand) in self.operands.iter().enumerate() {
            let _ = writeln!(text, "{}", operand.wgsl(i + 1, variant.placement));
        }
        let last = self.operands.len() + 1;
        let _ = writeln!(text, "@group(0) @binding({last}) var<uniform> first_group: u32;");
        for part in self.source {
            text.push_str(part);
            text.push('\n');
        }
        text
    }
}

impl Operand {
    fn wgsl(&self, binding: usize, placement: Placement) -> String {
        let Self { name, shape, kind } = self;
        let head = format!("// {name} {shape}\n@group(0) @binding({binding})");
        match (kind, placement) {
            (Kind::Array(element, access), _) => {
                let mode = if *access == Access::Read { "read" } else { "read_write" };
                format!("{head} var<storage, {mode}> {name}: array<{element}>;")
            }
            (Kind::Table(len), _) => format!("{head} var<uniform> {name}: array<vec4<f32>, {len}>;"),
            (Kind::Plane(Access::Read), Placement::Buffer) => format!(
                "{head} var<storage, read> {name}: array<vec4<f32>>;
fn {name}_at(row: u32, col: u32) -> vec4<f32> {{ return {name}[row * params.{name}_stride + col]; }}"
            ),
            (Kind::Plane(Access::Write), Placement::Buffer) => format!(
                "{head} var<storage, read_write> {name}: array<vec4<f32>>;
fn set_{name}(row: u32, col: u32, value: vec4<f32>) {{ {name}[row * params.{name}_stride + col] = value; }}"
            ),
            (Kind::Plane(Access::Read), Placement::Texture) => format!(
                "{head} var {name}: texture_2d<f32>;
fn {name}_at(row: u32, col: u32) -> vec4<f32> {{ return textureLoad({name}, vec2<u32>(col, row), 0u); }}"
            ),
            (Kind::Plane(Access::Write), Placement::Texture) => format!(
                "{head} var {name}: texture_storage_2d<rgba32float, write>;
fn set_{name}(row: u32, col: u32, value: vec4<f32>) {{ textureStore({name}, vec2<u32>(col, row), value); }}"
            ),
            (Kind::Weights, Placement::Buffer) => format!(
                "{head} var<storage, read> {name}: array<vec4<f32>>;
fn {name}_at(index: u32) -> vec4<f32> {{ return {name}[index]; }}"
            ),
            (Kind::Weights, Placement::Texture) => format!(
                "{head} var {name}: texture_2d<f32>;
fn {name}_at(index: u32) -> vec4<f32> {{
    let i = params.{name}_base + index;
    return textureLoad({name}, vec2<u32>(i % {PAGE_ROW}u, i / {PAGE_ROW}u), 0u);
}}"
            ),
        }
    }
}

/// Declares a `Params` struct for binding 0 and lists its fields, so that a test can hold them against the shader's.
macro_rules! params {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $kind:ty),* $(,)? }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub(crate) struct $name { $(pub(crate) $field: $kind),* }

        impl $name {
            pub(crate) const FIELDS: &'static [(&'static str, usize)] =
                &[$((stringify!($field), std::mem::offset_of!($name, $field))),*];
        }
    };
}
pub(crate) use params;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_in_its_file() {
        let source = &["struct Params { a: u32 }\n", "fn f() {}\n\nfn g() {}\n", "fn h() {}\nfn i() {}"];
        let kernel = Kernel { stem: "aft/none", entry: "h", source, params: &[], operands: &[] };
        let wgsl = kernel.wgsl(&Variant { placement: Placement::Buffer, constants: vec![("ONE", 1)] });
        let origin = |text: &str| {
            let at = wgsl.lines().position(|l| l.starts_with(text));
            kernel.origin(&wgsl, 1 + at.unwrap_or_default())
        };
        assert_eq!(origin("fn h"), "shaders/aft/none.wgsl line 1 `fn h() {}`");
        assert_eq!(origin("fn i"), "shaders/aft/none.wgsl line 2 `fn i() {}`");
        assert_eq!(origin("struct"), "part 1 of its source line 1 `struct Params { a: u32 }`");
        assert_eq!(origin("fn g"), "part 2 of its source line 3 `fn g() {}`");
        assert_eq!(origin("const"), "its constants and bindings, line 1 `const ONE: u32 = 1u;`");
        // A compiler that points nowhere.
        let _ = (kernel.origin(&wgsl, 0), kernel.origin(&wgsl, 999), kernel.origin("", 1));
    }
}
