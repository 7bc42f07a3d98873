//! Kernel declarations. A kernel is declared once ([`kernel!`](super::call)). Its WGSL bindings and parameters, its
//! bind group layout, the checks of a dispatch and the tests are all made from the declaration.
//!
//! A shader is a plain concatenation: constants, the lines written here, fragments, and the stem's own file. Binding 0
//! holds the parameters, and binding i + 1 is operand i. The last binding is the number of the first workgroup, because
//! a long dispatch is cut into pieces.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A compute kernel: one entry point of a shader stem.
#[derive(Debug)]
pub struct Kernel {
    /// Path below `shaders/`, without extension; the host file, reference and test have the same name.
    pub stem: &'static str,
    /// The entry point.
    pub entry: &'static str,
    /// WGSL files in the order in which they are joined; the stem's own file is last.
    pub fragments: &'static [Fragment],
    /// Parameters that the host sets. The fields of the operands ([`Operand::fields`]) follow them.
    pub params: &'static [(&'static str, ParamType)],
    /// The operands.
    pub operands: &'static [Operand],
}

/// A WGSL file below `shaders/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fragment {
    /// Path below `shaders/`, without extension.
    pub stem: &'static str,
    /// WGSL source.
    pub text: &'static str,
}

/// The fragment `shaders/STEM.wgsl`.
macro_rules! fragment {
    ($($stem:literal),+) => {
        $crate::gpu::Fragment {
            stem: concat!($($stem),+),
            text: include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $($stem,)+ ".wgsl")),
        }
    };
}
pub(crate) use fragment;

/// The type of a parameter.
#[derive(Debug, Clone, Copy)]
pub enum ParamType {
    /// A number of this WGSL type.
    Number(&'static str),
    /// A struct that several kernels share; in WGSL its fields are separate parameters.
    Struct(&'static [(&'static str, ParamType)]),
}

/// One bound resource of a kernel.
#[derive(Debug)]
pub struct Operand {
    /// Name in the shader.
    pub name: &'static str,
    /// Shape in memory order.
    pub shape: &'static str,
    /// Kind of resource.
    pub kind: Kind,
    /// Read or write.
    pub access: Access,
    /// Whether it may be absent; the parameter `has_NAME` is then 0.
    pub optional: bool,
}

/// Kind of resource that an operand is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Rows of vec4s, in a buffer or a texture: `NAME_at(row, col)` or `set_NAME(row, col, value)`.
    Plane,
    /// A parameter tensor, in a page or the page's texture copy: `NAME_at(index)`, in vec4s.
    Weights,
    /// A storage buffer of this WGSL element type, under the operand's name.
    Array(&'static str),
    /// A uniform buffer of this many vec4s, under the operand's name.
    Table(u32),
}

/// How a kernel uses an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Loads only.
    Read,
    /// Stores; arrays may also be loaded.
    Write,
}

/// Storage of planes and weights. [`Gpu::placement`](super::Gpu::placement) chooses the faster one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Placement {
    /// Storage buffers.
    #[serde(rename = "buffers")]
    Buffer,
    /// rgba32float textures, one vec4 a texel.
    #[serde(rename = "textures")]
    Texture,
}

impl Placement {
    /// Name in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Buffer => "a storage buffer",
            Self::Texture => "a texture",
        }
    }
}

/// Options that a kernel is compiled with: storage, inner-loop body, and `const` lines for tile sizes and flags.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Specialization {
    /// Storage of planes and weights.
    pub placement: Placement,
    /// Fragment with the body, for kernels that have several.
    pub body: Option<Fragment>,
    /// Whether the shader's type `Real` is f16, which needs [`wgpu::Features::SHADER_F16`], instead of f32.
    pub half: bool,
    /// Constants by name, all u32.
    pub constants: Vec<(&'static str, u32)>,
}

impl Specialization {
    /// No body and no constants.
    pub fn new(placement: Placement) -> Self {
        Self { placement, body: None, half: false, constants: Vec::new() }
    }

    /// Adds a constant.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<u32>) -> Self {
        self.constants.push((name, value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(self, body: Fragment) -> Self {
        Self { body: Some(body), ..self }
    }
}

/// vec4s in a row of a parameter page's texture copy.
pub(crate) const PAGE_ROW: u32 = 1024;

/// Fragment that numbers workgroups.
const NUMBERING: &str = "lib/grid";

impl Kernel {
    /// Stem and entry point.
    pub(crate) fn label(&self) -> String {
        format!("{}:{}", self.stem, self.entry)
    }

    /// Whether the kernel numbers its workgroups; only then can a dispatch be cut into pieces.
    pub fn is_numbered(&self) -> bool {
        self.fragments.iter().any(|fragment| fragment.stem == NUMBERING)
    }

    /// All parameters by name and WGSL type, in memory order.
    pub fn fields(&self) -> Vec<(String, &'static str)> {
        let mut fields = Vec::new();
        append_fields(self.params, &mut fields);
        fields.extend(self.operands.iter().flat_map(Operand::fields));
        fields
    }

    /// The files of a specialization, in the order in which they are joined.
    pub fn files(&self, special: &Specialization) -> impl Iterator<Item = Fragment> + use<> {
        special.body.into_iter().chain(self.fragments.iter().copied())
    }

    /// Source file, line and text of line `line` (from 1) of [`Kernel::wgsl`], for messages.
    pub(crate) fn origin(&self, special: &Specialization, wgsl: &str, line: usize) -> String {
        let text = wgsl.lines().nth(line.saturating_sub(1)).unwrap_or_default().trim();
        let mut first = self.header(special).matches('\n').count() + 1;
        for Fragment { stem, text: file } in self.files(special) {
            // `wgsl` adds a line end after each file.
            let end = first + file.matches('\n').count() + 1;
            if (first..end).contains(&line) {
                return format!("shaders/{stem}.wgsl line {} `{text}`", line - first + 1);
            }
            first = end;
        }
        format!("the declaration of {}, line {line} of its text `{text}`", self.label())
    }

    /// The whole WGSL text of a specialization.
    pub fn wgsl(&self, special: &Specialization) -> String {
        let mut text = self.header(special);
        for fragment in self.files(special) {
            text.push_str(fragment.text);
            text.push('\n');
        }
        text
    }

    /// The part made from the declaration: constants, parameters and bindings.
    fn header(&self, special: &Specialization) -> String {
        let mut text =
            String::from(if special.half { "enable f16;\nalias Real = f16;\n" } else { "alias Real = f32;\n" });
        for (name, value) in &special.constants {
            let _ = writeln!(text, "const {name}: u32 = {value}u;");
        }
        text.push_str("struct Params {\n");
        for (name, ty) in self.fields() {
            let _ = writeln!(text, "    {name}: {ty},");
        }
        text.push_str("}\n@group(0) @binding(0) var<uniform> params: Params;\n");
        for (i, operand) in self.operands.iter().enumerate() {
            let _ = writeln!(text, "{}", operand.wgsl(i + 1, special.placement));
        }
        let last = self.operands.len() + 1;
        let _ = writeln!(text, "@group(0) @binding({last}) var<uniform> first_group: u32;");
        text
    }
}

fn append_fields(params: &[(&'static str, ParamType)], fields: &mut Vec<(String, &'static str)>) {
    for &(name, ty) in params {
        match ty {
            ParamType::Number(number) => fields.push((name.to_owned(), number)),
            ParamType::Struct(params) => append_fields(params, fields),
        }
    }
}

impl Operand {
    /// Whether the kernel stores into it.
    pub fn writes(&self) -> bool {
        self.access == Access::Write
    }

    /// Parameters of the operand: `has_NAME` if it may be absent; `NAME_stride` of a plane, in vec4s; `NAME_base` of
    /// weights, in vec4s from the start of their page's texture copy.
    pub fn fields(&self) -> impl Iterator<Item = (String, &'static str)> + use<> {
        let Self { name, kind, optional, .. } = *self;
        let has = optional.then(|| format!("has_{name}"));
        let place = match kind {
            Kind::Plane => Some(format!("{name}_stride")),
            Kind::Weights => Some(format!("{name}_base")),
            Kind::Array(_) | Kind::Table(_) => None,
        };
        has.into_iter().chain(place).map(|name| (name, "u32"))
    }

    fn wgsl(&self, binding: usize, placement: Placement) -> String {
        let Self { name, shape, kind, access, .. } = self;
        let head = format!("// {name} {shape}\n@group(0) @binding({binding})");
        match (kind, access, placement) {
            (Kind::Array(element), Access::Read, _) => {
                format!("{head} var<storage, read> {name}: array<{element}>;")
            }
            (Kind::Array(element), Access::Write, _) => {
                format!("{head} var<storage, read_write> {name}: array<{element}>;")
            }
            (Kind::Table(len), ..) => format!("{head} var<uniform> {name}: array<vec4<f32>, {len}>;"),
            (Kind::Plane, Access::Read, Placement::Buffer) => format!(
                "{head} var<storage, read> {name}: array<vec4<f32>>;
fn {name}_at(row: u32, col: u32) -> vec4<f32> {{ return {name}[row * params.{name}_stride + col]; }}"
            ),
            (Kind::Plane, Access::Write, Placement::Buffer) => format!(
                "{head} var<storage, read_write> {name}: array<vec4<f32>>;
fn set_{name}(row: u32, col: u32, value: vec4<f32>) {{ {name}[row * params.{name}_stride + col] = value; }}"
            ),
            (Kind::Plane, Access::Read, Placement::Texture) => format!(
                "{head} var {name}: texture_2d<f32>;
fn {name}_at(row: u32, col: u32) -> vec4<f32> {{ return textureLoad({name}, vec2<u32>(col, row), 0u); }}"
            ),
            (Kind::Plane, Access::Write, Placement::Texture) => format!(
                "{head} var {name}: texture_storage_2d<rgba32float, write>;
fn set_{name}(row: u32, col: u32, value: vec4<f32>) {{ textureStore({name}, vec2<u32>(col, row), value); }}"
            ),
            (Kind::Weights, _, Placement::Buffer) => format!(
                "{head} var<storage, read> {name}: array<vec4<f32>>;
fn {name}_at(index: u32) -> vec4<f32> {{ return {name}[index]; }}"
            ),
            (Kind::Weights, _, Placement::Texture) => format!(
                "{head} var {name}: texture_2d<f32>;
fn {name}_at(index: u32) -> vec4<f32> {{
    let i = params.{name}_base + index;
    return textureLoad({name}, vec2<u32>(i % {PAGE_ROW}u, i / {PAGE_ROW}u), 0u);
}}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_again_in_its_file() {
        const BODY: Fragment = Fragment { stem: "lib/body", text: "fn b() {}" };
        const FILES: &[Fragment] = &[
            Fragment { stem: "lib/g", text: "fn f() {}\n\nfn g() {}\n" },
            Fragment { stem: "aft/none", text: "fn h() {}\nfn i() {}" },
        ];
        let kernel = Kernel {
            stem: "aft/none",
            entry: "h",
            fragments: FILES,
            params: &[("rows", ParamType::Number("u32"))],
            operands: &[],
        };
        let special = Specialization::new(Placement::Buffer).with("ONE", 1u32).body(BODY);
        let wgsl = kernel.wgsl(&special);
        let origin = |text: &str| {
            let at = wgsl.lines().position(|l| l.trim_start().starts_with(text));
            kernel.origin(&special, &wgsl, 1 + at.unwrap_or_default())
        };
        assert_eq!(origin("fn h"), "shaders/aft/none.wgsl line 1 `fn h() {}`");
        assert_eq!(origin("fn i"), "shaders/aft/none.wgsl line 2 `fn i() {}`");
        assert_eq!(origin("fn b"), "shaders/lib/body.wgsl line 1 `fn b() {}`");
        assert_eq!(origin("fn g"), "shaders/lib/g.wgsl line 3 `fn g() {}`");
        assert_eq!(origin("rows"), "the declaration of aft/none:h, line 4 of its text `rows: u32,`");
        // Line numbers outside the source.
        let _ = [0, 999].map(|line| kernel.origin(&special, &wgsl, line));
        let _ = kernel.origin(&special, "", 1);
    }
}
