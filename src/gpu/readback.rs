//! Asynchronous readback through a pool of staging buffers. A buffer returns to the pool once it is unmapped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::memory::check_range;
use super::{Buffer, Gpu};
use crate::error::{Error, Result};

/// Future of a value that a callback delivers.
pub(crate) struct Completion<T> {
    shared: Arc<Mutex<(Option<T>, Option<Waker>)>>,
}

impl<T> Completion<T> {
    /// The future, and the function that completes it.
    pub(crate) fn new() -> (Self, impl FnOnce(T) + use<T>) {
        let shared = Arc::new(Mutex::new((None, None::<Waker>)));
        let sender = Arc::clone(&shared);
        let complete = move |value| {
            let mut state = lock(&sender);
            state.0 = Some(value);
            if let Some(waker) = state.1.take() {
                waker.wake();
            }
        };
        (Self { shared }, complete)
    }
}

impl<T> Future for Completion<T> {
    type Output = T;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut state = lock(&self.shared);
        match state.0.take() {
            Some(value) => Poll::Ready(value),
            None => {
                state.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pending readback; await it with [`PendingRead::finish`].
pub(crate) struct PendingRead {
    staging: Buffer,
    bytes: u64,
    mapped: Completion<Result<(), wgpu::BufferAsyncError>>,
    submission: wgpu::SubmissionIndex,
}

impl Gpu {
    /// Reads `bytes` bytes of a buffer, starting at `offset`; both are multiples of 4.
    ///
    /// # Errors
    /// [`Error::Shape`] if the range is not whole 4-byte words inside the buffer; [`Error::OutOfMemory`] if there is no
    /// memory for a staging buffer; [`Error::DeviceLost`] if the device was lost.
    pub async fn read<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<Vec<T>> {
        self.start_read(buffer, offset, bytes).await?.finish(self).await
    }

    /// Starts a readback of a buffer as the commands submitted so far leave it.
    pub(crate) async fn start_read(&self, buffer: &wgpu::Buffer, offset: u64, bytes: u64) -> Result<PendingRead> {
        check_range("a readback", buffer, offset, bytes)?;
        let fitting = {
            let mut free = lock(self.staging());
            let found = free.iter().position(|b| (bytes..=4 * bytes.max(1024)).contains(&b.size()));
            found.map(|i| free.swap_remove(i))
        };
        let staging = match fitting {
            Some(buffer) => buffer,
            None => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                self.checked("allocating a buffer for a readback", || self.buffer("staging", bytes, usage)).await?
            }
        };
        let mut encoder = self.device().create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, offset, &staging, 0, bytes);
        let submission = self.queue().submit([encoder.finish()]);
        let (mapped, complete) = Completion::new();
        staging.map_async(wgpu::MapMode::Read, 0..bytes, complete);
        Ok(PendingRead { staging, bytes, mapped, submission })
    }

    /// Waits until the driver finishes a submission. In a browser this returns at once.
    pub(crate) fn wait_for(&self, submission: &wgpu::SubmissionIndex) -> Result<()> {
        let wait = wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: None };
        let waited = self.device().poll(wait);
        self.check()?;
        waited.map(|_| ()).map_err(|e| Error::DeviceLost { reason: e.to_string() })
    }
}

impl PendingRead {
    /// Waits for the bytes.
    pub(crate) async fn finish<T: bytemuck::Pod>(self, gpu: &Gpu) -> Result<Vec<T>> {
        gpu.wait_for(&self.submission)?;
        let lost = |reason: String| gpu.check().err().unwrap_or(Error::DeviceLost { reason });
        self.mapped.await.map_err(|e| lost(e.to_string()))?;
        let values = {
            let view = self.staging.get_mapped_range(0..self.bytes).map_err(|e| lost(e.to_string()))?;
            bytemuck::pod_collect_to_vec(&view)
        };
        self.staging.unmap();
        lock(gpu.staging()).push(self.staging);
        Ok(values)
    }
}
