//! The layer over wgpu: adapters, devices, memory, kernel declarations, pipelines, programs and their submission.
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
//! To use a device that your program already owns, see [`Gpu::from_device`].

mod adapter;
mod call;
mod checked;
mod compiled;
mod cost;
mod device;
mod dispatch;
mod dummies;
mod fault;
mod handle;
mod hooks;
mod inject;
mod kernel;
mod ledger;
mod memory;
mod mirror;
mod page;
mod pieces;
mod pipeline;
mod plane;
mod pool;
mod program;
mod readback;
mod recorder;
pub(crate) mod stamps;
mod timing;
mod tuning;
mod weights;

#[doc(hidden)]
pub use adapter::variable;
pub use adapter::{AdapterClass, AdapterSummary, adapters};
pub(crate) use call::{Array, Bind, Call, Param, Resource, Table, kernel, shared_params};
pub use cost::Cost;
pub use device::{Capabilities, Gpu, GpuOptions};
pub use dispatch::Dispatch;
pub use handle::Buffer;
#[doc(hidden)]
pub use inject::StampFault;
pub(crate) use kernel::fragment;
pub use kernel::{Access, Fragment, Kernel, Kind, Operand, ParamType, Placement, Specialization};
pub use ledger::MemoryUse;
pub(crate) use mirror::Mirror;
pub use page::{ALIGN_BYTES, Page};
pub use plane::Plane;
pub(crate) use pool::Pool;
pub use program::{Command, Program};
pub use recorder::Recorder;
pub use timing::{Clock, KernelTime, profile};
pub(crate) use timing::{profile_by, timed};
pub use tuning::{Product, Target, Tuning};
pub use weights::Weights;
