//! Suppresses a driver message on machines without a display.
//!
//! Mesa's device-selection layer for Vulkan asks the Wayland display which device it uses. Without a display, libwayland prints
//! "error: XDG_RUNTIME_DIR is invalid or not set in the environment" on stderr. If WAYLAND_DISPLAY is an absolute path, it tries
//! that path and fails silently. No option of Vulkan or wgpu skips the query. NODEVICE_SELECT would turn off the whole layer,
//! including MESA_VK_DEVICE_SELECT.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

/// A path where no socket can exist.
const NO_DISPLAY: &str = "/dev/null/no-display";

/// Sets WAYLAND_DISPLAY to a path that does not exist, if the machine has no display. Call this first in `main`.
#[allow(
    unsafe_code,
    reason = "C libraries read the environment, and the standard library has no safe way to change it"
)]
pub fn quiet() {
    let is_absolute = |name| env::var_os(name).is_some_and(|path| Path::new(&path).is_absolute());
    let is_set = |name: &str| env::var_os(name).as_deref().is_some_and(|value| value != OsStr::new(""));
    let may_exist = is_absolute("XDG_RUNTIME_DIR") || is_absolute("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET");
    if cfg!(all(unix, not(target_vendor = "apple"))) && !may_exist {
        // SAFETY: no other thread has started yet.
        unsafe { env::set_var("WAYLAND_DISPLAY", NO_DISPLAY) };
    }
}
