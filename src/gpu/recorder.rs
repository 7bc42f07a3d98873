//! Submission of programs in pieces of bounded estimated work, so that no driver watchdog fires, at most three in
//! flight.

use std::collections::VecDeque;

use super::Gpu;
use super::cost::BUDGET_MS;
use super::program::{Program, record};
use super::readback::Completion;
use crate::error::Result;

const IN_FLIGHT: usize = 3;

/// Records programs and submits them in bounded pieces.
pub struct Recorder {
    gpu: Gpu,
    encoder: Option<wgpu::CommandEncoder>,
    spent_ms: f64,
    flight: Flight,
}

/// Submissions in flight, at most three.
#[derive(Default)]
pub(super) struct Flight(VecDeque<(wgpu::SubmissionIndex, Completion<()>)>);

impl Flight {
    /// Submits; waits while more than three submissions are in flight.
    pub(super) async fn submit(&mut self, gpu: &Gpu, commands: wgpu::CommandBuffer) -> Result<()> {
        let submission = gpu.queue().submit([commands]);
        let (done, complete) = Completion::new();
        gpu.queue().on_submitted_work_done(move || complete(()));
        self.0.push_back((submission, done));
        while self.0.len() > IN_FLIGHT {
            self.retire(gpu).await?;
        }
        Ok(())
    }

    /// Waits for all of them.
    pub(super) async fn land(&mut self, gpu: &Gpu) -> Result<()> {
        while !self.0.is_empty() {
            self.retire(gpu).await?;
        }
        Ok(())
    }

    async fn retire(&mut self, gpu: &Gpu) -> Result<()> {
        if let Some((submission, done)) = self.0.pop_front() {
            gpu.wait_for(&submission)?;
            done.await;
        }
        Ok(())
    }
}

impl Recorder {
    /// A recorder with nothing recorded.
    pub fn new(gpu: &Gpu) -> Self {
        Self { gpu: gpu.clone(), encoder: None, spent_ms: 0.0, flight: Flight::default() }
    }

    /// Records a program; submits each time the work budget is used up.
    ///
    /// # Errors
    /// [`crate::Error::DeviceLost`], [`crate::Error::Rejected`].
    pub async fn run(&mut self, program: &Program) -> Result<()> {
        let mut start = 0;
        for (i, command) in program.commands().iter().enumerate() {
            let ms = self.gpu.caps().estimate_ms(command.cost());
            if self.spent_ms > 0.0 && self.spent_ms + ms > BUDGET_MS {
                self.record(program, start..i);
                self.submit().await?;
                start = i;
            }
            self.spent_ms += ms;
        }
        self.record(program, start..program.commands().len());
        Ok(())
    }

    fn record(&mut self, program: &Program, range: std::ops::Range<usize>) {
        let device = self.gpu.device();
        let encoder = self.encoder.get_or_insert_with(|| device.create_command_encoder(&Default::default()));
        record(&program.commands()[range], encoder);
    }

    /// Submits the recorded commands; waits while more than three submissions are in flight.
    ///
    /// # Errors
    /// As [`Recorder::run`].
    pub async fn submit(&mut self) -> Result<()> {
        self.spent_ms = 0.0;
        let Some(encoder) = self.encoder.take() else { return Ok(()) };
        self.flight.submit(&self.gpu, encoder.finish()).await?;
        self.gpu.check()
    }

    /// Submits the recorded commands and waits for all submissions to end.
    ///
    /// # Errors
    /// As [`Recorder::run`].
    pub async fn finish(&mut self) -> Result<()> {
        self.submit().await?;
        self.flight.land(&self.gpu).await
    }
}
