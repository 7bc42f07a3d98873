//! Errors that a driver reports outside any call.

use std::sync::{Arc, OnceLock};

/// Errors that the driver reported outside any call; each is set once and read by every later call.
#[derive(Debug, Clone, Default)]
pub(super) struct Fault {
    pub(super) lost: Arc<OnceLock<String>>,
    pub(super) uncaptured: Arc<OnceLock<String>>,
}

impl Fault {
    /// Records errors of `device` from now on. Without a handler wgpu would panic.
    pub(super) fn watch(device: &wgpu::Device) -> Self {
        let fault = Self::default();
        let lost = Arc::clone(&fault.lost);
        device.set_device_lost_callback(move |reason, text| {
            let _ = lost.set(loss(reason, &text));
        });
        let uncaptured = Arc::clone(&fault.uncaptured);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            log::error!("uncaptured GPU error: {error}");
            let _ = uncaptured.set(error.to_string());
        }));
        fault
    }
}

/// Text for a lost device: the driver's message, else its reason.
fn loss(reason: wgpu::DeviceLostReason, text: &str) -> String {
    match (text.trim().trim_end_matches('.'), reason) {
        ("", wgpu::DeviceLostReason::Destroyed) => "it was destroyed".into(),
        ("", wgpu::DeviceLostReason::Unknown) => "the driver gives no reason".into(),
        (text, _) => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use wgpu::DeviceLostReason::{Destroyed, Unknown};

    use super::loss;

    #[test]
    fn a_loss_is_told_in_words() {
        assert_eq!(loss(Destroyed, ""), "it was destroyed");
        assert_eq!(loss(Unknown, " "), "the driver gives no reason");
        assert_eq!(loss(Unknown, "Device removed.\n"), "Device removed");
    }
}
