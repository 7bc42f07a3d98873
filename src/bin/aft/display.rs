//! Keeps drivers quiet on a machine without a display.
//!
//! Mesa's Vulkan layer for the choice of a device asks the Wayland display which one it uses. libwayland then prints "error:
//! XDG_RUNTIME_DIR is invalid or not set in the environment" on stderr, unless WAYLAND_DISPLAY is an absolute path: that it tries,
//! and gives up without a word. No option of Vulkan or wgpu leaves the question out, and NODEVICE_SELECT would turn off all that the
//! layer does, MESA_VK_DEVICE_SELECT included.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

/// A path without a socket.
const NO_DISPLAY: &str = "/dev/null/no-display";

/// Names a Wayland display that does not exist where none can exist. To be called before anything else.
#[allow(
    unsafe_code,
    reason = "C libraries read the environment, and the standard library has no safe way to change it"
)]
pub fn quiet() {
    let is_absolute = |name| env::var_os(name).is_some_and(|path| Path::new(&path).is_absolute());
    let is_set = |name: &str| env::var_os(name).as_deref().is_some_and(|value| value != OsStr::new(""));
    let may_exist = is_absolute("XDG_RUNTIME_DIR") || is_absolute("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET");
    if cfg!(all(unix, not(target_vendor = "apple"))) && !may_exist {
        // SAFETY: the program has one thread yet.
        unsafe { env::set_var("WAYLAND_DISPLAY", NO_DISPLAY) };
    }
}
