//! A device with its queue and granted limits: made here, or borrowed from the caller.

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
    /// Index or part of a name, as in `--adapter`. None: `WGPU_ADAPTER_NAME`, else the first of [`super::adapters`].
    pub adapter: Option<String>,
    /// Requests only the default limits of the WebGPU specification, and no features.
    pub floor: bool,
}

/// Limits and features that a device granted. Kernels and sizes are planned by these alone.
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
    /// Pessimistic estimate of the time that work takes, in milliseconds; used only to cut submissions.
    pub fn estimate_ms(&self, cost: Cost) -> f64 {
        let [flops, bytes] = trusted_rates(self.adapter.class);
        (cost.flops / flops).max(cost.bytes / bytes)
    }
}

/// A device, its queue, and the pipelines compiled for it. Clones share all of these; any thread may use them.
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
    /// Free staging buffers for readback.
    staging: Mutex<Vec<Buffer>>,
    dummies: OnceLock<Dummies>,
    fault: Fault,
    injector: Injector,
}

/// Optional features: timestamps for profiling, and f16 for a benchmark.
const USED: wgpu::Features = wgpu::Features::TIMESTAMP_QUERY.union(wgpu::Features::SHADER_F16);

impl Gpu {
    /// Chooses an adapter and makes a device. Errors outside any error scope are recorded instead of panicking.
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

    /// Uses a caller's device. Its error handlers stay the caller's, so errors outside our error scopes go unseen:
    /// build inside [`Gpu::checked`]. Limits are read from the device.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if the device's limits are too small for a dummy buffer;
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

    /// Granted limits and features.
    pub fn caps(&self) -> &Capabilities {
        &self.inner.caps
    }

    /// Kernel shapes and storage of planes: by the adapter's class, unless `AFT_TUNING` says cpu or gpu.
    pub fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The same device with another tuning.
    pub fn with_tuning(&self, tuning: Tuning) -> Self {
        Self { tuning, ..self.clone() }
    }

    /// Storage for planes of at most `side` rows and `side` vec4s a row.
    pub fn placement(&self, side: u32) -> Placement {
        self.tuning.placement(side, self.caps().limits.max_texture_dimension_2d)
    }

    /// Memory in use, and objects made, through this handle and its clones.
    pub fn memory(&self) -> MemoryUse {
        self.inner.ledger.usage()
    }

    /// Resets [`MemoryUse::peak_bytes`] to the memory in use now.
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

/// The default limits of the specification, with the adapter's own for memory and texture size.
fn wanted_limits(adapter: &wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_buffer_size: adapter.max_buffer_size,
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size,
        max_texture_dimension_2d: adapter.max_texture_dimension_2d,
        ..wgpu::Limits::default().or_worse_values_from(adapter)
    }
}
