//! Operands that start and end in storage buffers, even if kernels use textures. The copies are part of the timed program.

use crate::error::{Result, expect_count};
use crate::gpu::{Command, Gpu, Mirror, Placement, Plane, Program};

/// A plane, and the storage buffer that it is copied from or to, unless it is in a storage buffer itself.
pub(super) struct Operand {
    pub(super) plane: Plane,
    outside: Option<Mirror>,
}

impl Operand {
    /// A plane that holds `data` [rows, cols].
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub(super) fn input(gpu: &Gpu, placement: Placement, rows: u32, cols: u32, data: &[f32]) -> Result<Self> {
        let operand = Self::of(gpu, Plane::new(gpu, "operand", rows, cols, placement)?)?;
        operand.write(gpu, data)?;
        Ok(operand)
    }

    /// A plane of NaN for results, so that elements that a kernel does not store are noticed.
    ///
    /// # Errors
    /// As [`Plane::new`].
    pub(super) fn output(gpu: &Gpu, placement: Placement, rows: u32, cols: u32) -> Result<Self> {
        let plane = Plane::new(gpu, "result", rows, cols, placement)?;
        plane.fill(gpu, f32::NAN)?;
        Self::of(gpu, plane)
    }

    /// Wraps an existing plane.
    ///
    /// # Errors
    /// As [`Gpu::storage`].
    pub(super) fn of(gpu: &Gpu, plane: Plane) -> Result<Self> {
        let outside = plane.beside(gpu)?;
        Ok(Self { plane, outside })
    }

    /// Overwrites the operand's initial content with `data` [rows, cols].
    ///
    /// # Errors
    /// [`crate::Error::Shape`] if `data` has another length.
    pub(super) fn write(&self, gpu: &Gpu, data: &[f32]) -> Result<()> {
        let Some(outside) = &self.outside else { return self.plane.write(gpu, data) };
        let (rows, cols) = (self.plane.rows as usize, self.plane.cols as usize);
        expect_count("data of an operand", "numbers", rows * cols, data.len())?;
        let pitch = outside.page.size() as usize / 4 / rows.max(1);
        let mut padded = vec![0.0f32; pitch * rows];
        for (to, from) in padded.chunks_mut(pitch).zip(data.chunks(cols)) {
            to[..cols].copy_from_slice(from);
        }
        gpu.write(&outside.page, 0, bytemuck::cast_slice(&padded))
    }

    /// Adds the copy from the storage buffer to the plane.
    pub(super) fn load(&self, program: &mut Program) {
        program.extend(self.outside.clone().map(Command::Mirror));
    }

    /// Adds the copy from the plane to the storage buffer.
    pub(super) fn store(&self, program: &mut Program) {
        program.extend(self.outside.clone().map(Command::Fetch));
    }

    /// Bytes of the extra storage buffer, which the operation itself does not need.
    pub(super) fn outside_bytes(&self) -> u64 {
        self.outside.as_ref().map_or(0, |mirror| mirror.page.size())
    }
}

/// A program that loads `inputs`, runs `inner` and stores `outputs`.
pub(super) fn enclosed(inputs: &[&Operand], inner: &Program, outputs: &[&Operand]) -> Program {
    let mut program = Program::default();
    inputs.iter().for_each(|operand| operand.load(&mut program));
    program.append(inner);
    outputs.iter().for_each(|operand| operand.store(&mut program));
    program
}
