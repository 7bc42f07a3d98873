//! All that touches wgpu: adapters, the device, memory, kernel declarations, pipelines, programs and their submission.
//!
//! ```no_run
//! use aft_wgpu::gpu::{Gpu, GpuOptions, adapters};
//!
//! # fn main() -> aft_wgpu::Result<()> {
//! pollster::block_on(adapters()).iter().enumerate().for_each(|(index, adapter)| println!("{index}: {adapter}"));
//! let gpu = Gpu::request_blocking(&GpuOptions { adapter: Some("llvmpipe".into()), ..Default::default() })?;
//! println!("{}", gpu.caps().adapter);
//! # Ok(())
//! # }
//! ```
//!
//! A program that owns a device hands it over by [`Gpu::from_device`].

mod adapter;
mod device;
mod fault;
mod inject;
mod kernel;
mod memory;
mod page;
mod pieces;
mod pipeline;
mod plane;
mod program;
mod readback;
mod recorder;
pub(crate) mod stamps;
mod timing;

pub use adapter::{AdapterClass, AdapterSummary, adapters};
pub use device::{Capabilities, Gpu, GpuOptions};
pub use inject::StampFault;
pub(crate) use kernel::params;
pub use kernel::{Access, Kernel, Kind, Operand, Placement, Variant};
pub use memory::{Buffer, MemoryUse, Weights};
pub use page::{ALIGN_BYTES, Page};
pub use plane::Plane;
pub(crate) use program::Mirror;
pub use program::{Bind, Command, Cost, Dispatch, Program};
pub use recorder::Recorder;
pub use timing::{Clock, KernelTime, profile};
pub(crate) use timing::{profile_by, timed};
