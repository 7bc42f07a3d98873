//! Tables that show where the time of a case goes.

use std::fmt::Write;
use std::ops::ControlFlow;

use aft_wgpu::bench::{BenchOptions, Explanation, Share, Skipped, Step, explain};
use aft_wgpu::gpu::Gpu;

use crate::shared::say;

/// Prints one table for each program. Returns the numbers of wrong programs and of all programs, or `Break` if told to stop.
pub fn run(gpu: &Gpu, options: &BenchOptions, stop: &dyn Fn() -> bool) -> anyhow::Result<ControlFlow<(), [usize; 2]>> {
    // If stdout is closed, the run ends when the next table cannot be written.
    let mut written = Ok(());
    let [mut wrong, mut all] = [0; 2];
    let tell = |outcome: Result<&Explanation, &Skipped>| {
        let text = match outcome {
            Ok(explanation) => {
                all += 1;
                wrong += usize::from(!explanation.is_right());
                table(explanation)
            }
            Err(Skipped { case, reason }) => format!("{case}: skipped: {reason}\n"),
        };
        if written.is_ok() {
            written = say(text);
        }
    };
    let outcome = pollster::block_on(explain(gpu, options, tell, stop))?;
    written?;
    Ok(match outcome {
        ControlFlow::Continue(()) => ControlFlow::Continue([wrong, all]),
        ControlFlow::Break(()) => ControlFlow::Break(()),
    })
}

fn table(explanation: &Explanation) -> String {
    let Explanation { case, plan, error, clock, kernels, passes, step } = explanation;
    let mut text = format!("{case}: {plan}; {clock}; error {error:.3} of its tolerance\n");
    if !explanation.is_right() {
        return format!("{case}: {plan}; WRONG: error {error:.3} of its tolerance, so there are no times\n");
    }
    let all = sum(kernels);
    let header = ["", "count", "MFLOP", "MB", "ms", "share"];
    let _ = writeln!(
        text,
        "{:<38}{:>7}{:>11}{:>10}{:>10}{:>8}",
        header[0], header[1], header[2], header[3], header[4], header[5]
    );
    for share in kernels.iter().chain([&all]) {
        let Share { label, count, flops, bytes, ms } = share;
        let part = 100.0 * ms / all.ms;
        let _ = writeln!(text, "{label:<38}{count:>7}{:>11.1}{:>10.2}{ms:>10.3}{part:>7.1}%", flops / 1e6, bytes / 1e6);
    }
    let _ = writeln!(text, "{passes} compute {}", if *passes == 1 { "pass" } else { "passes" });
    if let Some(Step { dispatches_of_a_block, passes_of_a_block, encoding_ms, step_ms }) = step {
        let _ = writeln!(
            text,
            "a block adds {dispatches_of_a_block} dispatches and {passes_of_a_block} passes; the CPU records a step in \
             {encoding_ms:.2} ms, {:.1} % of its {step_ms:.2} ms",
            100.0 * encoding_ms / step_ms
        );
    }
    text
}

fn sum(kernels: &[Share]) -> Share {
    let mut all = Share { label: "sum".into(), count: 0, flops: 0.0, bytes: 0.0, ms: 0.0 };
    for share in kernels {
        all.count += share.count;
        all.flops += share.flops;
        all.bytes += share.bytes;
        all.ms += share.ms;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use aft_wgpu::gpu::Clock;

    #[test]
    fn shares_add_up() {
        let share = |label: &str, count, ms| Share { label: label.into(), count, flops: 1e6, bytes: 2e6, ms };
        let step = Step { dispatches_of_a_block: 27, passes_of_a_block: 0, encoding_ms: 0.5, step_ms: 10.0 };
        let text = table(&Explanation {
            case: "train local, step".into(),
            plan: "gpu, buffers".into(),
            error: 0.25,
            clock: Clock::Timestamp,
            kernels: vec![share("aft/pairs:pairs", 3, 3.0), share("copy", 1, 1.0)],
            passes: 1,
            step: Some(step),
        });
        let has = |words: &[&str]| text.lines().any(|line| line.split_whitespace().eq(words.iter().copied()));
        assert!(has(&["aft/pairs:pairs", "3", "1.0", "2.00", "3.000", "75.0%"]), "{text}");
        assert!(has(&["sum", "4", "2.0", "4.00", "4.000", "100.0%"]), "{text}");
        assert!(
            text.contains("27 dispatches")
                && text.contains("5.0 % of its 10.00 ms")
                && text.contains("1 compute pass\n")
        );
    }
}
