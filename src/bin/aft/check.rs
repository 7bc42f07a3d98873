//! `aft check`: checks every kernel and every form of AFT against the reference on this machine.

use std::time::Instant;

use aft_wgpu::check::{Exponential, Line, Plain, Report, check};
use aft_wgpu::gpu::Gpu;

use crate::shared::{AdapterArgs, say, say_json};

/// Check every kernel and form of AFT against its f64 reference on an adapter
///
/// One line each: the worst error of all outputs and gradients in units of its tolerance, which is made from the adapter's own
/// exponential, and the worst error relative to the magnitudes that the output is a sum of. Put the output into a bug report.
#[derive(clap::Args)]
#[command(after_help = "\
Ends with 0 if every line is ok, and with 1 if any is not.

Examples:
  aft check
  aft check --adapter 1 --json")]
pub struct Args {
    #[command(flatten)]
    adapter: AdapterArgs,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

/// Error: the device computed a wrong result.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} checks failed on {adapter}. Please report this with the lines above")]
pub struct Failed {
    failed: usize,
    all: usize,
    adapter: String,
}

pub fn run(args: &Args, start: Instant) -> anyhow::Result<()> {
    let gpu = Gpu::request_blocking(&args.adapter.options())?;
    let exp = pollster::block_on(Exponential::measure(&gpu))?;
    if !args.json {
        say(format_args!("aft {} on {}", env!("CARGO_PKG_VERSION"), gpu.caps().adapter))?;
        say(describe(&exp))?;
        say(format_args!("{:<32}{:>9}{:>11}  {:<6}{}", "", "of bound", "relative", "", "y in plain f32"))?;
    }
    // If stdout is closed, the check ends when the next line cannot be written.
    let mut written = Ok(());
    let report = pollster::block_on(check(&gpu, exp, |line| {
        if !args.json && written.is_ok() {
            written = say(row(line));
        }
    }))?;
    written?;
    if args.json {
        say_json(&report)?;
    } else {
        let verdict = if report.passed { "all within their bounds" } else { "not all within their bounds" };
        let count = report.forms.len();
        say(format_args!("{count} checks in {:.1} s: {verdict}", start.elapsed().as_secs_f64()))?;
    }
    verdict(&report)
}

fn verdict(report: &Report) -> anyhow::Result<()> {
    let all = report.forms.len();
    match report.forms.iter().filter(|line| !line.passes()).count() {
        0 => Ok(()),
        failed => Err(Failed { failed, all, adapter: report.adapter.clone() }.into()),
    }
}

fn describe(exp: &Exponential) -> String {
    let bound = format!("exp is within {:.1e} + {:.1e} |x| of the truth on [-80, 0]", exp.error.base, exp.error.slope);
    let (ratio, at) = (exp.of_vulkan, exp.at);
    if exp.conforms() {
        format!("{bound}, at worst {ratio:.2} of what Vulkan allows")
    } else {
        format!("{bound}: a fault of the driver, {ratio:.1} times what Vulkan allows, at x = {at}")
    }
}

fn row(line: &Line) -> String {
    let Line { name, ratio, relative, worst, .. } = line;
    let row = format!("{name:<32}{ratio:>9.3}{relative:>11.1e}");
    let plain = line.plain.map_or_else(String::new, |plain| {
        let Plain { relative, wrong, families } = plain;
        format!("    {relative:.1e}, wrong for {wrong} of {families} families of values")
    });
    if line.passes() { format!("{row}  ok{plain}") } else { format!("{row}  FAIL: {worst}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aft_wgpu::check::Verdict;

    fn report(ratio: f64) -> Report {
        let mut line = Line::new("AFT-simple");
        line.add("Normal values", &[Verdict { output: "dk", ratio, relative: 1e-3 }]);
        let exp = Exponential { error: aft_wgpu::check::ExpError::VULKAN, of_vulkan: 0.5, at: -1.0 };
        Report { adapter: "some GPU".into(), exp, passed: line.passes(), forms: vec![line] }
    }

    #[test]
    fn a_wrong_result_shows_and_fails() {
        let good = report(0.5);
        assert!(verdict(&good).is_ok() && row(&good.forms[0]).ends_with("ok"));
        for ratio in [1.5, f64::INFINITY] {
            let bad = report(ratio);
            let error = verdict(&bad).map_err(|e| e.to_string());
            assert_eq!(error, Err("1 of 1 checks failed on some GPU. Please report this with the lines above".into()));
            assert!(row(&bad.forms[0]).ends_with("FAIL: dk, Normal values"));
        }
    }

    #[test]
    fn a_driver_outside_of_vulkan_is_named() {
        let exp = report(0.5).exp;
        assert!(describe(&exp).ends_with("0.50 of what Vulkan allows"));
        assert!(describe(&Exponential { of_vulkan: 3.0, ..exp }).contains("a fault of the driver"));
    }
}
