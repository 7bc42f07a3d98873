//! Choice of the adapter: by index or part of a name if given, else discrete before integrated before software.

use crate::error::{Error, Result};
use crate::printable::Printable;

const BACKEND: &str = "WGPU_BACKEND";

/// Description of an adapter, known before a device is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterSummary {
    /// The adapter's name, as the driver gives it.
    pub name: String,
    /// Vulkan, Metal, Dx12 or BrowserWebGpu.
    pub backend: String,
    /// Kind of hardware.
    pub class: AdapterClass,
    /// The driver's name and version.
    pub driver: String,
}

impl std::fmt::Display for AdapterSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, backend, class, driver } = self;
        write!(f, "{} ({backend}, {class}, {})", Printable(name), Printable(driver))
    }
}

/// Kind of hardware behind an adapter; kernels are planned by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdapterClass {
    /// A GPU with memory of its own.
    Discrete,
    /// A GPU that shares the CPU's memory.
    Integrated,
    /// Not reported (a browser, a virtual GPU): planned as a GPU.
    Unknown,
    /// A driver that runs shaders on the CPU.
    Software,
}

impl std::fmt::Display for AdapterClass {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Discrete => "discrete GPU",
            Self::Integrated => "integrated GPU",
            Self::Unknown => "GPU of unknown kind",
            Self::Software => "software on the processor",
        })
    }
}

impl AdapterClass {
    pub(crate) fn of(kind: wgpu::DeviceType) -> Self {
        match kind {
            wgpu::DeviceType::DiscreteGpu => Self::Discrete,
            wgpu::DeviceType::IntegratedGpu => Self::Integrated,
            wgpu::DeviceType::Cpu => Self::Software,
            wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => Self::Unknown,
        }
    }
}

pub(crate) fn summary(info: &wgpu::AdapterInfo) -> AdapterSummary {
    let driver = format!("{} {}", info.driver, info.driver_info);
    AdapterSummary {
        name: info.name.clone(),
        backend: format!("{:?}", info.backend),
        class: AdapterClass::of(info.device_type),
        driver: driver.trim().to_owned(),
    }
}

/// The adapters of this machine in the order of their indices: discrete, integrated, unknown, software. Within a class
/// they keep the drivers' order. `WGPU_BACKEND` limits the backends.
pub async fn adapters() -> Vec<AdapterSummary> {
    enumerate().await.iter().map(|a| summary(&a.get_info())).collect()
}

/// The value of an environment variable; none if it is unset or empty.
#[doc(hidden)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// The instance descriptor with settings from the environment. wgpu alone would take an empty variable for a setting.
fn wishes() -> wgpu::InstanceDescriptor {
    use wgpu::InstanceFlags as Flags;
    let plain = wgpu::InstanceDescriptor::new_without_display_handle();
    let (backends, flags) = (plain.backends, plain.flags);
    let mut wishes = plain.with_env();
    if variable(BACKEND).is_none() {
        wishes.backends = backends;
    }
    for (name, flag) in [
        ("WGPU_VALIDATION", Flags::VALIDATION),
        ("WGPU_DEBUG", Flags::DEBUG),
        ("WGPU_DISCARD_HAL_LABELS", Flags::DISCARD_HAL_LABELS),
        ("WGPU_ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER", Flags::ALLOW_UNDERLYING_NONCOMPLIANT_ADAPTER),
        ("WGPU_GPU_BASED_VALIDATION", Flags::GPU_BASED_VALIDATION),
        ("WGPU_VALIDATION_INDIRECT_CALL", Flags::VALIDATION_INDIRECT_CALL),
        ("WGPU_STRICT_WEBGPU_COMPLIANCE", Flags::STRICT_WEBGPU_COMPLIANCE),
    ] {
        if variable(name).is_none() {
            wishes.flags.set(flag, flags.contains(flag));
        }
    }
    wishes
}

async fn enumerate() -> Vec<wgpu::Adapter> {
    let instance = wgpu::Instance::new(wishes());
    let mut adapters: Vec<_> = if cfg!(target_arch = "wasm32") {
        // A browser does not list adapters; it offers one for a request.
        let power_preference = wgpu::PowerPreference::HighPerformance;
        let wish = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        instance.request_adapter(&wish).await.into_iter().collect()
    } else {
        instance.enumerate_adapters(wgpu::Backends::all()).await
    };
    adapters.sort_by_key(|a| AdapterClass::of(a.get_info().device_type));
    adapters
}

/// Finds the adapter that `asked` names, else the one that `WGPU_ADAPTER_NAME` names, else the first.
pub(crate) async fn choose(asked: Option<&str>) -> Result<wgpu::Adapter> {
    let adapters = enumerate().await;
    let wish = asked.map(str::to_owned).or_else(|| variable("WGPU_ADAPTER_NAME"));
    if adapters.is_empty() {
        return Err(Error::NoAdapter { backends: backends_tried() });
    }
    let summaries: Vec<_> = adapters.iter().map(|a| summary(&a.get_info())).collect();
    let index = pick(&summaries, wish.as_deref())?;
    adapters.into_iter().nth(index).ok_or(Error::NoAdapter { backends: String::new() })
}

/// The backends of this build that `WGPU_BACKEND` allows, as text for messages.
fn backends_tried() -> String {
    let tried = wishes().backends & wgpu::Instance::enabled_backend_features();
    let names: Vec<_> = wgpu::Backend::ALL
        .into_iter()
        .filter(|backend| tried.contains((*backend).into()))
        .map(|backend| format!("{backend:?}"))
        .collect();
    if names.is_empty() { "none: WGPU_BACKEND allows no backend of this build".into() } else { names.join(", ") }
}

/// The position in `adapters` (already sorted) of the adapter that `wish` names: an index, or part of a name in any
/// case. One or two digits are always an index, because most names contain such numbers.
fn pick(adapters: &[AdapterSummary], wish: Option<&str>) -> Result<usize> {
    let Some(wish) = wish else { return Ok(0) };
    let by_index = wish.parse::<usize>().ok().filter(|&i| i < adapters.len());
    let part = wish.to_lowercase();
    let index_only = wish.len() <= 2 && wish.bytes().all(|byte| byte.is_ascii_digit());
    let by_name = || adapters.iter().position(|a| !index_only && a.name.to_lowercase().contains(&part));
    by_index.or_else(by_name).ok_or_else(|| Error::UnknownAdapter {
        asked: wish.to_owned(),
        available: adapters.iter().enumerate().map(|(i, a)| format!("{i}: {}", a.name)).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;

    fn named(name: &str) -> AdapterSummary {
        let class = AdapterClass::Discrete;
        AdapterSummary { name: name.into(), backend: "Vulkan".into(), class, driver: String::new() }
    }

    #[test]
    fn an_index_or_part_of_a_name_picks() {
        let all = [named("Radeon RX 7900"), named("llvmpipe (LLVM 15)")];
        assert_eq!(pick(&all, None).unwrap(), 0);
        assert_eq!(pick(&all, Some("1")).unwrap(), 1);
        assert_eq!(pick(&all, Some("LLVM")).unwrap(), 1);
        assert_eq!(pick(&all, Some("7900")).unwrap(), 0);
        assert!(pick(&all, Some("geforce")).unwrap_err().to_string().contains("1: llvmpipe"));
        assert!(pick(&all, Some("")).is_err());
    }

    #[test]
    fn a_short_number_is_no_part_of_a_name() {
        let all = [named("Radeon RX 7900"), named("llvmpipe (LLVM 15)")];
        for wish in ["2", "15", "79", "90"] {
            let error = pick(&all, Some(wish)).unwrap_err();
            assert!(matches!(&error, Error::UnknownAdapter { asked, .. } if asked == wish), "{wish}: {error}");
        }
        assert_eq!(pick(&all, Some("x 7")).unwrap(), 0);
        assert_eq!(pick(&all, Some("790")).unwrap(), 0);
        assert!(pick(&all, Some("100")).is_err());
    }

    #[test]
    fn discrete_comes_first_and_software_last() {
        use AdapterClass::{Discrete, Integrated, Software, Unknown};
        let mut order = [Software, Unknown, Discrete, Integrated];
        order.sort();
        assert_eq!(order, [Discrete, Integrated, Unknown, Software]);
    }
}
