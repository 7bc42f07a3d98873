//! Programs: dispatches and copies, made once with all buffers and bind groups and recorded any number of times.

use super::cost::BUDGET_MS;
use super::mirror::Mirror;
use super::{Cost, Dispatch, Gpu};

/// One step of a program.
#[derive(Debug, Clone)]
pub enum Command {
    /// Runs a kernel.
    Dispatch(Dispatch),
    /// Copies a buffer into its texture copy.
    Mirror(Mirror),
    /// Copies a texture back into its buffer.
    Fetch(Mirror),
}

/// Commands in the order in which they run.
#[derive(Debug, Clone, Default)]
pub struct Program {
    commands: Vec<Command>,
}

impl Program {
    /// Adds a command.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Adds commands.
    pub(crate) fn extend(&mut self, commands: impl IntoIterator<Item = Command>) {
        self.commands.extend(commands);
    }

    /// Adds dispatches, such as the pieces of one kernel call.
    pub fn dispatch(&mut self, dispatches: impl IntoIterator<Item = Dispatch>) {
        self.commands.extend(dispatches.into_iter().map(Command::Dispatch));
    }

    /// Adds all of another program.
    pub fn append(&mut self, other: &Program) {
        self.commands.extend(other.commands.iter().cloned());
    }

    /// The commands.
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Estimated work of all dispatches.
    pub fn cost(&self) -> Cost {
        self.commands.iter().fold(Cost::default(), |sum, c| {
            let cost = c.cost();
            Cost { flops: sum.flops + cost.flops, bytes: sum.bytes + cost.bytes }
        })
    }

    /// Records all commands into a caller's encoder; submits nothing.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        record(&self.commands, encoder);
    }

    /// Records commands `range` (see [`Program::cuts`]) into a caller's encoder.
    pub fn record_range(&self, range: std::ops::Range<usize>, encoder: &mut wgpu::CommandEncoder) {
        record(&self.commands[range], encoder);
    }

    /// Ends of the command ranges that make submissions of about 100 ms of estimated work each on `gpu`'s adapter.
    pub fn cuts(&self, gpu: &Gpu) -> Vec<usize> {
        let mut cuts = Vec::new();
        let mut spent = 0.0;
        for (i, command) in self.commands.iter().enumerate() {
            let ms = gpu.caps().estimate_ms(command.cost());
            if spent > 0.0 && spent + ms > BUDGET_MS {
                cuts.push(i);
                spent = 0.0;
            }
            spent += ms;
        }
        cuts.push(self.commands.len());
        cuts
    }
}

impl Program {
    /// The commands repeated `times` times, cut into submissions of about 100 ms of estimated work and at most 4,096
    /// commands.
    pub(crate) fn repeated(&self, gpu: &Gpu, times: u32) -> Vec<Vec<Command>> {
        const MOST: usize = 4096;
        let (mut slices, mut spent) = (vec![Vec::new()], 0.0);
        for command in (0..times).flat_map(|_| &self.commands) {
            let ms = gpu.caps().estimate_ms(command.cost());
            let full = slices.last().is_some_and(|slice| slice.len() >= MOST);
            if full || (spent > 0.0 && spent + ms > BUDGET_MS) {
                slices.push(Vec::new());
                spent = 0.0;
            }
            spent += ms;
            if let Some(slice) = slices.last_mut() {
                slice.push(command.clone());
            }
        }
        slices
    }
}

impl Command {
    /// Estimated work.
    pub fn cost(&self) -> Cost {
        match self {
            Self::Dispatch(dispatch) => dispatch.cost,
            Self::Mirror(mirror) | Self::Fetch(mirror) => Cost { flops: 0.0, bytes: 2.0 * mirror.page.size() as f64 },
        }
    }
}

/// Records commands, with one compute pass for each run of dispatches.
pub(crate) fn record(commands: &[Command], encoder: &mut wgpu::CommandEncoder) {
    let is_dispatch = |c: &Command| matches!(c, Command::Dispatch(_));
    for run in commands.chunk_by(|a, b| is_dispatch(a) && is_dispatch(b)) {
        match run {
            [Command::Mirror(mirror)] => mirror.load(encoder),
            [Command::Fetch(mirror)] => mirror.store(encoder),
            dispatches => record_pass(dispatches, encoder),
        }
    }
}

fn record_pass(dispatches: &[Command], encoder: &mut wgpu::CommandEncoder) {
    let mut pass = encoder.begin_compute_pass(&Default::default());
    for command in dispatches {
        if let Command::Dispatch(dispatch) = command {
            dispatch.record(&mut pass);
        }
    }
}
