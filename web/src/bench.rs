//! The benchmark, by the same cases as `aft bench`.

use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;

use aft_wgpu::bench::{self, BenchOptions, Effort, Filter, Progress, Results};
use js_sys::{Array, Function, Object, Reflect};
use wasm_bindgen::prelude::*;

use crate::failure::shown;
use crate::options::whole;
use crate::{Failure, device};

/// Measures the adapter and resolves to the text of `aft bench --format json`. `options` may have `effort`, "quick" (the default) or
/// "full"; `op`, `form` and `length`, which leave the cases of that name or T; and `progress`, which is called with the parts done, the
/// number of all, the name of the next and the seconds left, if they are known: at each part, and between the measurements of one. If it
/// returns false, the promise resolves to what is done so far. The thread has its turns between measurements; while the reference
/// computes, it waits: a page runs this in a worker.
///
/// # Errors
/// `InsecureOrigin`, `NoWebGpu`, `NoAdapter`, `NoDevice`, `DeviceLost`, `Rejected`; `Busy` while another benchmark runs; `Config` for options or
/// cases that there are not.
#[wasm_bindgen(js_name = bench)]
pub async fn benchmark(options: JsValue) -> Result<String, Failure> {
    let Wishes { options, progress } = Wishes::read(&options)?;
    let _turn = Turn::take()?;
    let gpu = device::gpu().await?;
    let mut results = Results::new(&gpu);
    let stopped = Cell::new(false);
    let fault = Cell::new(None);
    let latest = RefCell::new(None);
    let call = || {
        let (Some(progress), Some(arguments)) = (&progress, &*latest.borrow()) else { return };
        match progress.apply(&JsValue::UNDEFINED, arguments) {
            Ok(answer) if answer == false => stopped.set(true),
            Ok(_) => {}
            Err(error) => {
                stopped.set(true);
                fault.set(Some(Failure::config(format!("progress threw {}.", shown(&error)))));
            }
        }
    };
    let tell = |Progress { done, of, next, left_s }: &Progress| {
        let left = left_s.map_or(JsValue::UNDEFINED, JsValue::from);
        let arguments: [JsValue; 4] = [(*done as f64).into(), (*of as f64).into(), next.as_str().into(), left];
        latest.replace(Some(Array::from_iter(arguments)));
        call();
    };
    let stop = || {
        if !stopped.get() {
            call();
        }
        stopped.get()
    };
    match bench::run(&gpu, &options, &mut results, tell, &stop).await? {
        ControlFlow::Continue(()) | ControlFlow::Break(()) => {}
    }
    match fault.take() {
        Some(fault) => Err(fault),
        None => serde_json::to_string_pretty(&results).map_err(|error| Failure::config(error.to_string())),
    }
}

thread_local! {
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// One benchmark at a time: two would measure each other.
struct Turn;

impl Turn {
    fn take() -> Result<Self, Failure> {
        if BUSY.replace(true) { Err(Failure::busy()) } else { Ok(Self) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.set(false);
    }
}

/// What a caller asks for.
struct Wishes {
    options: BenchOptions,
    progress: Option<Function>,
}

impl Wishes {
    /// Reads a JavaScript object; undefined is one without properties.
    fn read(object: &JsValue) -> Result<Self, Failure> {
        let commit = bench::COMMIT.map(str::to_owned);
        let options = BenchOptions { effort: Effort::Quick, filter: Filter::default(), commit };
        let mut wishes = Self { options, progress: None };
        if object.is_undefined() {
            return Ok(wishes);
        }
        let object: &Object = object
            .dyn_ref()
            .ok_or_else(|| Failure::config("The options of a benchmark are an object like { effort: \"quick\" }."))?;
        for key in Object::keys(object).iter() {
            let value = Reflect::get(object, &key).unwrap_or_default();
            let key = key.as_string().unwrap_or_default();
            wishes.set(&key, value)?;
        }
        Ok(wishes)
    }

    /// Takes a property; one that is undefined is not there.
    fn set(&mut self, key: &str, value: JsValue) -> Result<(), Failure> {
        let filter = &mut self.options.filter;
        let text =
            || value.as_string().ok_or_else(|| Failure::config(format!("{key} is a text, not {}.", shown(&value))));
        match key {
            "effort" | "op" | "form" | "length" | "progress" if value.is_undefined() => {}
            "effort" => {
                self.options.effort = match text()?.as_str() {
                    "quick" => Effort::Quick,
                    "full" => Effort::Full,
                    other => return Err(Failure::config(format!("effort is quick or full, not \"{other}\"."))),
                }
            }
            "op" => filter.op = Some(text()?),
            "form" => filter.form = Some(text()?),
            "length" => filter.length = Some(whole("length", &value, u32::MAX.into())? as u32),
            "progress" => {
                let function = value.dyn_into().map_err(|_| Failure::config("progress is a function."))?;
                self.progress = Some(function);
            }
            _ => {
                let text =
                    format!("A benchmark has the options effort, op, form, length and progress, and no \"{key}\".");
                return Err(Failure::config(text));
            }
        }
        Ok(())
    }
}
