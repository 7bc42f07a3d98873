//! A device with its queue and what it granted: made here, or borrowed from a caller that already owns one.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::adapter::{AdapterSummary, choose, summary};
use super::compiled::Pipelines;
use super::cost::Cost;
use super::dummies::Dummies;
use super::fault::Fault;
use super::handle::Buffer;
use super::inject::Injector;
use super::kernel::Placement;
use super::ledger::{Ledger, MemoryUse};
use super::tuning::{Tuning, trusted_rates};
use crate::error::{Error, Result};

/// How a device is chosen and made.
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// An index or part of a name, as in `--adapter`; else `WGPU_ADAPTER_NAME`, else the first of [`super::adapters`].
    pub adapter: Option<String>,
    /// Ask for the limits of the WebGPU specification's floor only, and for no feature.
    pub floor: bool,
}

/// What a device granted; kernels and sizes are planned by this and by nothing else.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// The adapter behind the device.
    pub adapter: AdapterSummary,
    /// Granted limits.
    pub limits: wgpu::Limits,
    /// Granted features.
    pub features: wgpu::Features,
}

impl Capabilities {
    /// A pessimistic guess of how long work takes, in milliseconds: only for cutting submissions.
    pub fn estimate_ms(&self, cost: Cost) -> f64 {
        let [flops, bytes] = trusted_rates(self.adapter.class);
        (cost.flops / flops).max(cost.bytes / bytes)
    }
}

/// A device, its queue, and the pipelines compiled for it. Clones share all of it; any thread may use it.
#[derive(Debug, Clone)]
pub struct Gpu {
    inner: Arc<Inner>,
    tuning: Tuning,
}

#[derive(Debug)]
struct Inner {
    device: wgpu::Device,
    queue: wgpu::Queue,
    caps: Capabilities,
    ledger: Arc<Ledger>,
    pipelines: Mutex<Pipelines>,
    /// Buffers that readbacks wait for.
    staging: Mutex<Vec<Buffer>>,
    dummies: OnceLock<Dummies>,
    fault: Fault,
    injector: Injector,
}

/// What the library uses where an adapter has it: times of passes, and a benchmark of half precision.
const USED: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::SHADER_F16);

impl Gpu {
    /// Chooses an adapter and makes a device of its own, with errors outside of scopes recorded instead of panicking.
    ///
    /// # Errors
    /// [`Error::NoAdapter`], [`Error::UnknownAdapter`], [`Error::NoDevice`]; [`Error::Config`] if `AFT_TUNING` names no tuning.
    pub async fn request(options: &GpuOptions) -> Result<Self> {
        let adapter = choose(options.adapter.as_deref()).await?;
        let (limits, features) = if options.floor {
            (wgpu::Limits::default(), wgpu::Features::empty())
        } else {
            (wanted_limits(&adapter.limits()), adapter.features() & USED)
        };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("aft-wgpu"),
            required_features: features,
            required_limits: limits,
            ..Default::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|e| Error::NoDevice { adapter: adapter.get_info().name, reason: e.to_string() })?;
        let fault = Fault::watch(&device);
        Self::assemble(device, queue, fault)
    }

    /// Uses a caller's device. Its handlers stay the caller's; its limits are read from the device. What no call of ours waits
    /// for is not seen: run builds inside [`Gpu::checked`].
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the device grants less than the specification's floor for a dummy buffer;
    /// [`Error::Config`] if `AFT_TUNING` names no tuning.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Result<Self> {
        Self::assemble(device, queue, Fault::default())
    }

    fn assemble(device: wgpu::Device, queue: wgpu::Queue, fault: Fault) -> Result<Self> {
        let caps = Capabilities {
            adapter: summary(&device.adapter_info()),
            limits: device.limits(),
            features: device.features(),
        };
        let gpu = Self {
            tuning: Tuning::wished(caps.adapter.class)?,
            inner: Arc::new(Inner {
                device,
                queue,
                caps,
                ledger: Arc::default(),
                pipelines: Mutex::default(),
                staging: Mutex::default(),
                dummies: OnceLock::new(),
                fault,
                injector: Injector::default(),
            }),
        };
        let _ = gpu.inner.dummies.set(gpu.make_dummies()?);
        Ok(gpu)
    }

    /// [`Gpu::request`], blocking.
    ///
    /// # Errors
    /// As [`Gpu::request`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn request_blocking(options: &GpuOptions) -> Result<Self> {
        pollster::block_on(Self::request(options))
    }

    /// The device.
    pub fn device(&self) -> &wgpu::Device {
        &self.inner.device
    }

    /// The queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.inner.queue
    }

    /// What the device granted.
    pub fn caps(&self) -> &Capabilities {
        &self.inner.caps
    }

    /// How kernels are shaped and where planes live: by the adapter's class, unless `AFT_TUNING` says cpu or gpu.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The same device with another tuning.
    pub fn with_tuning(&self, tuning: Tuning) -> Self {
        Self { tuning, ..self.clone() }
    }

    /// Where planes live that have no more than `side` rows, nor vec4s in a row.
    pub fn placement(&self, side: u32) -> Placement {
        self.tuning.placement(side, self.caps().limits.max_texture_dimension_2d)
    }

    /// Memory given, and objects made, through this handle and its clones.
    pub fn memory(&self) -> MemoryUse {
        self.inner.ledger.usage()
    }

    /// Lets [`MemoryUse::peak_bytes`] count from now on.
    pub fn forget_peak(&self) {
        self.ledger().forget_peak();
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.inner.ledger
    }

    pub(super) fn fault(&self) -> &Fault {
        &self.inner.fault
    }

    pub(super) fn injector(&self) -> &Injector {
        &self.inner.injector
    }

    pub(super) fn staging(&self) -> &Mutex<Vec<Buffer>> {
        &self.inner.staging
    }

    pub(super) fn pipelines(&self) -> MutexGuard<'_, Pipelines> {
        self.inner.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn make_dummies(&self) -> Result<Dummies> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::UNIFORM;
        let indices = 0..Dummies::COUNT;
        let buffers = indices.clone().map(|_| self.buffer("absent operand", 256, usage)).collect::<Result<_>>()?;
        let textures = indices.map(|_| self.texture("absent operand", 1, 1)).collect::<Result<_>>()?;
        Ok(Dummies { buffers, textures })
    }

    pub(super) fn dummies(&self) -> &Dummies {
        // Set by `assemble` before a handle is given out.
        self.inner.dummies.get_or_init(Dummies::default)
    }
}

/// The specification's floor, raised in what jobs need more of: memory, and the size of textures.
fn wanted_limits(adapter: &wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_buffer_size: adapter.max_buffer_size,
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size,
        max_texture_dimension_2d: adapter.max_texture_dimension_2d,
        ..wgpu::Limits::default().or_worse_values_from(adapter)
    }
}
