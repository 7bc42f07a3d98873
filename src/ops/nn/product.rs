//! Matrix products with their two bodies (`shaders/lib/gemm_*.wgsl`), for linear layers and attention.

use crate::error::Result;
use crate::gpu::{Call, Cost, Placement, Product, Specialization, fragment};
use crate::ops::{Builder, trips};

impl Product {
    pub(super) const ALL: [Self; 2] = [Self::Direct, Self::Tiled];

    /// The specialization with this body.
    pub(super) fn special(self, placement: Placement) -> Specialization {
        Specialization::new(placement).body(match self {
            Self::Direct => fragment!("lib/gemm_direct"),
            Self::Tiled => fragment!("lib/gemm_tiled"),
        })
    }

    /// Length of the inner index that one slice sums: few slices on CPUs, on GPUs enough to fill the device, and at
    /// most 64 MiB of scratch.
    pub(super) fn inner_per_slice(self, [rows, inner, cols]: [u32; 3]) -> u32 {
        let wanted = match self {
            Self::Direct => 1024,
            Self::Tiled => {
                let tiles = rows.div_ceil(64) * cols.div_ceil(64);
                inner.div_ceil(128u32.div_ceil(tiles)).clamp(64, 1024)
            }
        };
        let slice_bytes = 4 * u64::from(rows) * u64::from(cols.next_multiple_of(4));
        let most = ((64 << 20) / slice_bytes.max(1)).clamp(1, u64::from(u32::MAX)) as u32;
        wanted.max(inner.div_ceil(most)).next_multiple_of(4)
    }

    /// Workgroups for `slices` products [rows, inner, cols].
    pub(super) fn groups(self, [rows, _, cols]: [u32; 3], slices: u32) -> u64 {
        let tiles = |r: u32, c: u32| u64::from(rows.div_ceil(r)) * u64::from(cols.div_ceil(c)) * u64::from(slices);
        match self {
            Self::Direct => tiles(16, 8).div_ceil(16),
            Self::Tiled => tiles(64, 64),
        }
    }

    /// Loop iterations of a thread for a sum of `inner` products: one for four (direct); six for 16, and eight to store
    /// (tiled).
    fn trips(self, inner: u32) -> u64 {
        match self {
            Self::Direct => u64::from(inner.div_ceil(4)),
            Self::Tiled => 6 * u64::from(inner.div_ceil(16)) + 8,
        }
    }

    /// Adds the product of shape [rows, inner, cols], with the sums of B's columns if `sums`.
    pub(super) fn run<C: Call>(
        self,
        b: &mut Builder,
        call: &C,
        sums: bool,
        shape: [u32; 3],
        slices: u32,
    ) -> Result<()> {
        let products = shape[1].div_ceil(slices);
        trips::check(&format!("{}: a sum of {products} products", C::KERNEL.stem), self.trips(products))?;
        let [m, k, n] = shape.map(f64::from);
        let cost = Cost { flops: 2.0 * m * k * n, bytes: 4.0 * (m * k + k * n + m * n) };
        b.run(call, &self.special(b.placement).with("COLUMN_SUMS", sums), self.groups(shape, slices), cost)
    }
}
