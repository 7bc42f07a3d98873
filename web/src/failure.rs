//! What JavaScript gets when something fails: an `Error` with a message for people and a `kind` for programs.

use aft_wgpu::{Error, ErrorKind};
use js_sys::Reflect;
use wasm_bindgen::{JsCast as _, JsValue};

/// Becomes an `Error` named `AftError`; its property `kind` is the name of an [`ErrorKind`], or one that only a browser has:
/// `InsecureOrigin`, `NoWebGpu`, `Busy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For programs.
    pub kind: &'static str,
    /// For people.
    pub message: String,
}

impl Failure {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(crate) fn insecure_origin() -> Self {
        let message = "This page came over an insecure connection, where browsers switch WebGPU off. Open it over https, or \
                       from this machine (http://127.0.0.1).";
        Self::new("InsecureOrigin", message)
    }

    pub(crate) fn no_webgpu() -> Self {
        let message = "This browser has no WebGPU. Current Chrome, Edge, Safari and Firefox have it; in an older one it may \
                       be a setting.";
        Self::new("NoWebGpu", message)
    }

    pub(crate) fn busy() -> Self {
        Self::new("Busy", "This is at work: wait for the promise of the call before.")
    }

    pub(crate) fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config.name(), message)
    }
}

impl From<Error> for Failure {
    /// The library's message, except where its advice is for a shell.
    fn from(error: Error) -> Self {
        let message = match &error {
            Error::NoAdapter { .. } => {
                "This browser has WebGPU but found no GPU to use. Switch on hardware acceleration in \
                                        its settings, or update the graphics driver."
                    .into()
            }
            Error::NoDevice { reason, .. } => {
                format!("The browser gives no GPU device ({reason}). Reload the page to try again.")
            }
            Error::DeviceLost { reason } => format!("The GPU device was lost ({reason})."),
            Error::Rejected { doing, message } => {
                format!("The browser rejected {doing}: {message}. Please report this.")
            }
            _ => error.to_string(),
        };
        Self::new(error.kind().name(), message)
    }
}

/// A JavaScript value, as a message shows it.
pub(crate) fn shown(value: &JsValue) -> String {
    if let Some(text) = value.as_string() {
        return format!("\"{text}\"");
    }
    match (value.as_f64(), value.as_bool(), value.dyn_ref::<js_sys::Error>()) {
        (Some(number), ..) => number.to_string(),
        (_, Some(truth), _) => truth.to_string(),
        (.., Some(error)) => format!("\"{}\"", String::from(error.message())),
        _ if value.is_null() || value.is_undefined() => "nothing".into(),
        _ => value.js_typeof().as_string().map_or_else(String::new, |kind| format!("a value of type {kind}")),
    }
}

impl From<Failure> for JsValue {
    fn from(Failure { kind, message }: Failure) -> Self {
        let error = js_sys::Error::new(&message);
        error.set_name("AftError");
        // An object just made takes a property.
        let _ = Reflect::set(&error, &"kind".into(), &kind.into());
        error.into()
    }
}
