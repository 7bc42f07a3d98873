//! Detection of device faults: error scopes around calls, and errors that the driver reported outside any call.

use super::Gpu;
use super::fault::Fault;
use super::inject::take_denied;
use super::ledger::asked_bytes;
use crate::error::{Error, Result};

impl Gpu {
    /// Fails if the driver reported a lost device or an error that no scope caught.
    ///
    /// # Errors
    /// [`Error::DeviceLost`], [`Error::Rejected`].
    pub fn check(&self) -> Result<()> {
        let Fault { lost, uncaptured } = self.fault();
        let message = uncaptured.get();
        if message.is_some() && lost.get().is_none() {
            // Calls on a lost device also fail. The device-lost callback runs in a poll that finds no work in flight.
            let _ = self.device().poll(wgpu::PollType::wait_indefinitely());
        }
        match (lost.get(), message) {
            (Some(reason), _) => Err(Error::DeviceLost { reason: reason.clone() }),
            (None, Some(message)) => Err(Error::Rejected { doing: "a command".into(), message: message.clone() }),
            (None, None) => Ok(()),
        }
    }

    /// Runs `build`, which makes buffers, pipelines or bind groups, and returns the driver's objections as an error.
    /// Error scopes belong to a thread: failures in another thread are reported there.
    ///
    /// # Errors
    /// Errors of `build`; [`Error::OutOfMemory`], [`Error::Rejected`], [`Error::DeviceLost`].
    pub async fn checked<T>(&self, doing: &str, build: impl FnOnce() -> Result<T>) -> Result<T> {
        use wgpu::ErrorFilter as Filter;
        self.check()?;
        let pipelines_before = self.memory().pipelines;
        let (value, asked_bytes, denied, memory, internal, validation) = {
            let asked_before = asked_bytes();
            let _ = take_denied();
            let [memory, internal, validation] =
                [Filter::OutOfMemory, Filter::Internal, Filter::Validation].map(|f| self.device().push_error_scope(f));
            let value = build();
            let asked_bytes = asked_bytes() - asked_before;
            // Scopes are popped in reverse order.
            let (validation, internal, memory) = (validation.pop(), internal.pop(), memory.pop());
            (value, asked_bytes, take_denied(), memory, internal, validation)
        };
        let (memory, rejected) = (memory.await.is_some() || denied, validation.await.or(internal.await));
        // On a lost device calls fail silently until a poll runs its callback.
        let _ = self.device().poll(wgpu::PollType::Poll);
        self.check()?;
        if memory {
            // Out of memory comes first: a buffer without memory also fails validation where it is bound. Pipelines
            // made in this call may be broken.
            self.pipelines().retain(|_, pipeline| pipeline.number < pipelines_before);
            return Err(Error::OutOfMemory { doing: doing.to_owned(), asked_bytes });
        }
        let Some(error) = rejected else { return value };
        // One of the cached pipelines may be the rejected one.
        let suspects = std::mem::take(&mut *self.pipelines());
        let message = self.first_rejected(suspects).await.unwrap_or_else(|| error.to_string());
        Err(Error::Rejected { doing: doing.to_owned(), message })
    }
}
