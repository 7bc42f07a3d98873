//! What a caller may choose about a new run.

use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

use crate::Failure;
use crate::failure::shown;

/// The largest whole number below which JavaScript has them all.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Options of [`crate::Run::create`]; what is not given is the demo's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Seed of parameters, batches and dropout.
    pub seed: Option<u64>,
    /// Steps of the whole run: the learning rate follows from them.
    pub steps: Option<u32>,
}

impl Options {
    /// Reads a JavaScript object; undefined is one without properties.
    ///
    /// # Errors
    /// `Config` for an unknown property or a number out of range.
    pub fn read(object: &JsValue) -> Result<Self, Failure> {
        let mut options = Self::default();
        if object.is_undefined() {
            return Ok(options);
        }
        let object: &Object = wasm_bindgen::JsCast::dyn_ref(object)
            .ok_or_else(|| Failure::config("The options of a run are an object like { seed: 1, steps: 2000 }."))?;
        for key in Object::keys(object).iter() {
            let value = Reflect::get(object, &key).unwrap_or_default();
            match key.as_string().as_deref() {
                Some("seed") => options.seed = Some(whole("seed", &value, MAX_SAFE)? as u64),
                Some("steps") => options.steps = Some(whole("steps", &value, u32::MAX.into())? as u32),
                _ => {
                    return Err(Failure::config(format!(
                        "A run has the options seed and steps, and no {}.",
                        shown(&key)
                    )));
                }
            }
        }
        Ok(options)
    }
}

/// A whole number between 0 and `most`.
///
/// # Errors
/// `Config` with the name and what it may be.
pub(crate) fn whole(name: &str, value: &JsValue, most: f64) -> Result<f64, Failure> {
    match value.as_f64() {
        Some(number) if number.fract() == 0.0 && (0.0..=most).contains(&number) => Ok(number),
        _ => Err(Failure::config(format!("{name} is a whole number from 0 to {most}, not {}.", shown(value)))),
    }
}
