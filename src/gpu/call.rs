//! Kernel calls: one struct per kernel, with a field for each parameter and operand. [`kernel!`] declares the kernel
//! and its struct.

use std::marker::PhantomData;

use super::{Buffer, Kernel, Kind, ParamType, Plane, Weights};

/// A kernel with its parameters and operands.
pub(crate) trait Call {
    /// The kernel.
    const KERNEL: &'static Kernel;
    /// The values of [`Kernel::params`].
    fn params(&self) -> Vec<u32>;
    /// The bindings, in the order of [`Kernel::operands`].
    fn binds(&self) -> Vec<Bind<'_>>;
}

/// The resource bound to an operand.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bind<'a> {
    /// A plane.
    Plane(&'a Plane),
    /// A parameter tensor of a model.
    Weights(&'a Weights),
    /// Bytes `offset .. offset + size` of a buffer; the offset is a multiple of 256.
    Slice { buffer: &'a Buffer, offset: u64, size: u64 },
    /// Nothing: a dummy is bound.
    Absent,
}

/// A type that a kernel parameter can have.
pub(crate) trait Param: Copy {
    /// The WGSL type.
    const TYPE: ParamType;
    /// Appends the value as u32 words.
    fn append(self, words: &mut Vec<u32>);
}

impl Param for u32 {
    const TYPE: ParamType = ParamType::Number("u32");
    fn append(self, words: &mut Vec<u32>) {
        words.push(self);
    }
}

impl Param for f32 {
    const TYPE: ParamType = ParamType::Number("f32");
    fn append(self, words: &mut Vec<u32>) {
        words.push(self.to_bits());
    }
}

/// A type that a kernel operand can have.
pub(crate) trait Resource<'a>: Copy {
    /// The kind of binding in the shader.
    const KIND: Kind;
    /// Whether the operand may be absent.
    const OPTIONAL: bool = false;
    /// The binding.
    fn bind(self) -> Bind<'a>;
}

impl<'a> Resource<'a> for &'a Plane {
    const KIND: Kind = Kind::Plane;
    fn bind(self) -> Bind<'a> {
        Bind::Plane(self)
    }
}

impl<'a> Resource<'a> for &'a Weights {
    const KIND: Kind = Kind::Weights;
    fn bind(self) -> Bind<'a> {
        Bind::Weights(self)
    }
}

/// A storage buffer of elements `E`, or a slice of it.
#[derive(Debug)]
pub(crate) struct Array<'a, E> {
    buffer: &'a Buffer,
    offset: u64,
    size: u64,
    element: PhantomData<E>,
}

impl<E> Clone for Array<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Array<'_, E> {}

impl<'a, E> Array<'a, E> {
    /// Bytes `offset .. offset + size`; the offset is a multiple of 256.
    pub(crate) fn slice(buffer: &'a Buffer, offset: u64, size: u64) -> Self {
        Self { buffer, offset, size, element: PhantomData }
    }
}

impl<'a, E> From<&'a Buffer> for Array<'a, E> {
    fn from(buffer: &'a Buffer) -> Self {
        Self::slice(buffer, 0, buffer.size())
    }
}

impl<'a, E: Element> Resource<'a> for Array<'a, E> {
    const KIND: Kind = Kind::Array(E::WGSL);
    fn bind(self) -> Bind<'a> {
        let Self { buffer, offset, size, .. } = self;
        Bind::Slice { buffer, offset, size }
    }
}

/// A uniform buffer of `LEN` vec4s.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a, const LEN: u32>(pub(crate) &'a Buffer);

impl<'a, const LEN: u32> Resource<'a> for Table<'a, LEN> {
    const KIND: Kind = Kind::Table(LEN);
    fn bind(self) -> Bind<'a> {
        Bind::Slice { buffer: self.0, offset: 0, size: self.0.size() }
    }
}

impl<'a, R: Resource<'a>> Resource<'a> for Option<R> {
    const KIND: Kind = R::KIND;
    const OPTIONAL: bool = true;
    fn bind(self) -> Bind<'a> {
        self.map_or(Bind::Absent, R::bind)
    }
}

/// An element of a storage buffer.
pub(crate) trait Element {
    /// Its WGSL type.
    const WGSL: &'static str;
}

impl Element for u32 {
    const WGSL: &'static str = "u32";
}

impl Element for f32 {
    const WGSL: &'static str = "f32";
}

impl Element for [f32; 2] {
    const WGSL: &'static str = "vec2<f32>";
}

impl Element for [f32; 4] {
    const WGSL: &'static str = "vec4<f32>";
}

/// The words of binding 0: the call's own parameters, then the fields of each operand ([`super::Operand::fields`]).
pub(super) fn words(kernel: &Kernel, mut params: Vec<u32>, binds: &[Bind<'_>]) -> Vec<u32> {
    for (operand, bind) in kernel.operands.iter().zip(binds) {
        if operand.optional {
            params.push(u32::from(!matches!(bind, Bind::Absent)));
        }
        match (operand.kind, bind) {
            (Kind::Plane, Bind::Plane(plane)) => params.push(plane.stride()),
            (Kind::Weights, Bind::Weights(weights)) => params.push(weights.base()),
            (Kind::Plane | Kind::Weights, _) => params.push(0),
            (Kind::Array(_) | Kind::Table(_), _) => {}
        }
    }
    params
}

/// Declares a kernel and the struct of its calls.
///
/// `fragments` are files of `shaders/lib`, joined before the stem's own file. The WGSL struct `params` has the fields
/// under `params` and those of the operands: `has_x` for an `Option`, `x_stride` for a plane, `x_base` for weights.
macro_rules! kernel {
    (
        $(#[$doc:meta])*
        $vis:vis struct $name:ident = $stem:literal, $entry:literal;
        fragments: [$($fragment:literal),* $(,)?],
        params: { $($(#[$param_doc:meta])* $param:ident: $word:ty),* $(,)? },
        operands: { $($access:ident $operand:ident: $resource:ty = $shape:literal),* $(,)? },
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        $vis struct $name<'a> {
            $($(#[$param_doc])* pub(crate) $param: $word,)*
            $(pub(crate) $operand: $resource,)*
        }

        impl<'a> $crate::gpu::Call for $name<'a> {
            const KERNEL: &'static $crate::gpu::Kernel = &$crate::gpu::Kernel {
                stem: $stem,
                entry: $entry,
                fragments: &[$($crate::gpu::fragment!("lib/", $fragment),)* $crate::gpu::fragment!($stem)],
                params: &[$((stringify!($param), <$word as $crate::gpu::Param>::TYPE)),*],
                operands: &[$($crate::gpu::Operand {
                    name: stringify!($operand),
                    shape: $shape,
                    kind: <$resource as $crate::gpu::Resource<'a>>::KIND,
                    access: $crate::gpu::kernel!(@access $access),
                    optional: <$resource as $crate::gpu::Resource<'a>>::OPTIONAL,
                }),*],
            };

            fn params(&self) -> Vec<u32> {
                #[allow(unused_mut, reason = "a kernel without parameters of its own")]
                let mut words = Vec::new();
                $($crate::gpu::Param::append(self.$param, &mut words);)*
                words
            }

            fn binds(&self) -> Vec<$crate::gpu::Bind<'_>> {
                vec![$($crate::gpu::Resource::bind(self.$operand)),*]
            }
        }
    };
    (@access read) => { $crate::gpu::Access::Read };
    (@access write) => { $crate::gpu::Access::Write };
}
pub(crate) use kernel;

/// Declares parameters that several kernels share: one field in each call, separate fields in the shader.
macro_rules! shared_params {
    ($(#[$doc:meta])* $vis:vis struct $name:ident { $($(#[$field_doc:meta])* $field:ident: $word:ty),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        $vis struct $name { $($(#[$field_doc])* pub(crate) $field: $word),* }

        impl $crate::gpu::Param for $name {
            const TYPE: $crate::gpu::ParamType =
                $crate::gpu::ParamType::Struct(&[$((stringify!($field), <$word as $crate::gpu::Param>::TYPE)),*]);
            fn append(self, words: &mut Vec<u32>) {
                $($crate::gpu::Param::append(self.$field, words);)*
            }
        }
    };
}
pub(crate) use shared_params;
