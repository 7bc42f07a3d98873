//! The device of the page: made at its first use, and anew after a loss. Runs share it, and with it compiled kernels.

use std::cell::RefCell;

use aft_wgpu::gpu::{Gpu, GpuOptions};
use js_sys::{Reflect, global};
use wasm_bindgen::prelude::*;

use crate::Failure;

thread_local! {
    static SHARED: RefCell<Option<Gpu>> = const { RefCell::new(None) };
}

/// The device in use if it still works, else a new one.
///
/// # Errors
/// `InsecureOrigin`, `NoWebGpu`, and those of [`Gpu::request`].
pub async fn gpu() -> Result<Gpu, Failure> {
    if let Some(gpu) = SHARED.with_borrow(Clone::clone)
        && gpu.check().is_ok()
    {
        return Ok(gpu);
    }
    if property(&property(&global(), "navigator"), "gpu").is_falsy() {
        let insecure = property(&global(), "isSecureContext").is_falsy();
        return Err(if insecure { Failure::insecure_origin() } else { Failure::no_webgpu() });
    }
    let gpu = Gpu::request(&GpuOptions::default()).await?;
    SHARED.set(Some(gpu.clone()));
    Ok(gpu)
}

/// Resolves to the adapter's name and kind, as far as the browser tells. A page asks first: the answer is quick, and where
/// nothing can run, the rejection says why.
///
/// # Errors
/// `InsecureOrigin`, `NoWebGpu`, `NoAdapter`, `NoDevice`.
#[wasm_bindgen]
pub async fn adapter() -> Result<String, Failure> {
    let gpu = gpu().await?;
    let adapter = &gpu.caps().adapter;
    let name = if adapter.name.is_empty() { "unnamed adapter" } else { &adapter.name };
    Ok(format!("{name} ({})", adapter.class))
}

/// A property of an object; undefined of what is none.
fn property(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap_or_default()
}
