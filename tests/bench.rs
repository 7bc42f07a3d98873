//! `aft bench`: rows that are honest about their clock, red ones for kernels that are wrong, and what is there when it is stopped.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod harness;

use std::cell::Cell;
use std::fs;
use std::process::{Command, Output, Stdio};

use aft_wgpu::bench::{BenchOptions, Effort, Filter, Progress, Results, read, run};
use aft_wgpu::gpu::Gpu;
use libtest_mimic::Trial;

fn main() {
    harness::run(&Default::default(), |gpu| {
        let trial = |name: &'static str, test: fn()| harness::trial(&gpu, name, move |_| test());
        let mut trials: Vec<Trial> = vec![
            trial("every form of results is of the same rows", formats),
            trial("a form of AFT has its limits, flops, bytes and memory", form),
            trial("a device without timestamps is timed by the wall clock", no_timestamps),
            trial("zero timestamps are refused, and the results say so", zero_timestamps),
            trial("coarse timestamps are used with their true resolution", coarse_timestamps),
            trial("a wrong kernel turns its rows red, and no others", wrong_kernel),
            trial("a wrong kernel in a model turns its rows red", wrong_model),
            trial("a model is measured in every variant", variants),
            trial("training and generation are held against a limit", models),
            trial("a case is taken apart by kernel", explained),
            trial("what there is not is refused with what there is", unknown),
        ];
        trials.push(harness::trial(&gpu, "told to stop at a case, it says so", stopped));
        if cfg!(unix) {
            trials.push(trial("Ctrl-C leaves what is done so far", interrupted));
            trials.push(trial("Ctrl-C leaves complete files as they are", interrupted_files));
        }
        trials
    });
}

/// Runs the program with a fault, or none.
fn bench(args: &str, fault: &str) -> Output {
    command(args, fault).output().unwrap()
}

fn command(args: &str, fault: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
    command.arg("bench").args(args.split(' '));
    match fault {
        "" => command.env_remove("AFT_INJECT"),
        fault => command.env("AFT_INJECT", fault),
    };
    command
}

/// What a run printed, read back with all that readers insist on: every field, finite figures in order, times if and only if the
/// gate is green.
fn results(output: &Output) -> Results {
    read("stdout", &output.stdout).unwrap_or_else(|e| panic!("{e}\n{}", String::from_utf8_lossy(&output.stderr)))
}

fn green(args: &str, fault: &str) -> Results {
    let output = bench(&format!("{args} --format json"), fault);
    let results = results(&output);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!results.rows.is_empty() && results.rows.iter().all(|row| row.gate == "pass"));
    results
}

fn formats() {
    let planes = ["copy storage", "copy texture", "3r1w storage", "3r1w texture"];
    let names = [&["fma", "fma f16", "exp"], &planes[..], &["read uniform", "dispatch", "submit"]].concat();
    let json = green("--op adamw", "");
    let half = json.adapter.features.iter().any(|feature| feature == "SHADER_F16");
    let granted: Vec<_> = names.into_iter().filter(|name| half || *name != "fma f16").collect();
    assert_eq!(json.limits.iter().map(|limit| limit.name.as_str()).collect::<Vec<_>>(), granted);
    assert_eq!(json.rows.len(), 1);
    // What is not granted is told with a reason.
    let skipped = json.skipped.iter().any(|skipped| skipped.case == "limit: fma f16");
    assert_eq!(skipped, !half, "{:?}", json.skipped);
    for format in ["md", "csv", "jsonl"] {
        let output = bench(&format!("--op adamw --format {format}"), "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("adamw") && text.contains("512 x 2048"), "{text}");
    }
}

fn form() {
    let results = green("--op aft --form local --length 256", "");
    let of = |direction: &str| {
        let mut rows = results.rows.iter().filter(|row| row.direction == direction && row.causal == Some(true));
        rows.next().unwrap()
    };
    let (forward, gradient) = (of("forward"), of("gradient"));
    let [b, t, d, s] = [forward.B, forward.T, forward.D, forward.s].map(|n| f64::from(n.unwrap()));
    assert_eq!(forward.flops, Some(4.0 * b * t * s * d));
    assert_eq!(gradient.flops, Some(8.0 * b * t * s * d));
    // q, k, v and y, and a band of biases; then dy and the gradients of what was read.
    let (plane, band) = (4.0 * b * t * d, 4.0 * t * s);
    assert_eq!(forward.bytes, Some(4.0 * plane + band));
    assert_eq!(gradient.bytes, Some(7.0 * plane + 2.0 * band));
    for row in [forward, gradient] {
        assert_eq!(row.limit.as_deref(), Some("fma"));
        assert!(row.percent_of_limit.unwrap() > 0.0 && row.error.unwrap() <= 1.0);
        // At least its planes, and the gradient's more than the forward pass's.
        assert!(row.peak_bytes.unwrap() as f64 >= 4.0 * plane && row.repetitions.unwrap() >= 7, "{row:?}");
    }
    assert!(gradient.peak_bytes > forward.peak_bytes);
    // What has to be read and written is there, the biases of AFT-full and their gradients with it.
    for row in &green("--op aft --form full --length 512", "").rows {
        assert!(row.peak_bytes.unwrap() as f64 >= row.bytes.unwrap(), "{row:?}");
    }
}

fn no_timestamps() {
    let results = green("--op cross_entropy", "no-timestamps");
    assert_eq!((results.adapter.clock.as_str(), &results.adapter.clock_note), ("wall", &None));
    by(&results, "wall");
}

fn zero_timestamps() {
    let results = green("--op cross_entropy", "zero-timestamps");
    assert_eq!(results.adapter.clock, "wall");
    if results.adapter.features.iter().any(|feature| feature == "TIMESTAMP_QUERY") {
        assert_eq!(results.adapter.clock_note.as_deref(), Some("timestamps are zero or unordered"));
    }
    by(&results, "wall");
}

fn coarse_timestamps() {
    let results = green("--op cross_entropy", "coarse-timestamps");
    if results.adapter.clock == "timestamp" {
        // A multiple, where no two stamps lay a single step apart.
        let steps = results.adapter.clock_resolution_ns / 65_536.0;
        assert!((1.0..=4.0).contains(&steps) && steps.fract() == 0.0, "{} ns", results.adapter.clock_resolution_ns);
        by(&results, "timestamp");
    } else {
        by(&results, "wall");
    }
}

/// Every row was timed with a clock, more than once.
fn by(results: &Results, clock: &str) {
    for row in &results.rows {
        assert_eq!(row.clock.as_deref(), Some(clock), "{row:?}");
        assert!(row.repetitions.unwrap() >= 7 && row.min_ms.unwrap() > 0.0, "{row:?}");
    }
}

fn wrong_kernel() {
    let output = bench("--op cross_entropy --format json", "wrong-kernel@nn/cross_entropy");
    assert_eq!(output.status.code(), Some(1));
    let results = results(&output);
    let gates: Vec<_> = results.rows.iter().map(|row| (row.direction.as_str(), row.gate.as_str())).collect();
    // The fault is in what it stores into planes: losses are no plane.
    assert_eq!(gates, [("forward", "pass"), ("gradient", "fail")]);
    let red = &results.rows[1];
    assert!(red.median_ms.is_none() && red.percent_of_limit.is_none() && red.error.unwrap() > 1.0, "{red:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 of 2 results were wrong"));
}

fn wrong_model() {
    // Gradients alone, too: of AFT's keys and values, of its biases, and what rows hand to keys.
    for (op, kernel, rows) in [
        ("train", "aft/pairs", 1),
        ("train", "aft/pairs_grad", 1),
        ("train", "aft/pairs_grad_bias", 1),
        ("train", "aft/mix_rows", 1),
        ("train --full --form conv", "aft/heads_grad", 1),
        ("generate", "nn/linear", 2),
    ] {
        let output = bench(&format!("--op {op} --format json"), &format!("wrong-kernel@{kernel}"));
        let results = results(&output);
        assert_eq!((output.status.code(), results.rows.len()), (Some(1), rows), "{op}");
        assert!(results.rows.iter().all(|row| row.gate == "fail" && row.tokens_per_second.is_none()), "{op}");
    }
}

fn variants() {
    let results = green("--full --op generate --length 128", "");
    let of = |direction: &str| {
        let rows = results.rows.iter().filter(|row| row.direction == direction);
        rows.map(|row| row.form.as_deref().unwrap()).collect::<Vec<_>>()
    };
    let all = ["local", "simple", "full", "conv", "attention"];
    assert_eq!((of("first token"), of("token")), (all.to_vec(), all.to_vec()));
    for row in &results.rows {
        let form = row.form.as_deref().unwrap();
        assert_eq!(
            (row.s.is_some(), row.H.is_some()),
            (matches!(form, "local" | "conv"), matches!(form, "conv" | "attention"))
        );
    }
}

fn models() {
    let rows = [green("--op train", "").rows, green("--op generate", "").rows].concat();
    let held = rows.iter().map(|row| (row.direction.as_str(), row.limit.as_deref().unwrap(), row.flops, row.bytes));
    let [(step, flops), (prompt, of_prompt), (token, bytes)] = [0, 1, 2].map(|i| {
        let (direction, limit, flops, bytes) = held.clone().nth(i).unwrap();
        let bandwidth = limit.starts_with("3r1w ");
        assert_eq!((bandwidth, flops.is_none(), bytes.is_some()), (i == 2, i == 2, i == 2), "{direction}: {limit}");
        (direction, if bandwidth { bytes } else { flops.filter(|_| limit == "fma") }.unwrap())
    });
    assert_eq!((rows.len(), step, prompt, token), (3, "step", "first token", "token"));
    // A step takes three passes over its tokens, a prompt half of one over a sequence, but for its head.
    let sequences = f64::from(rows[0].B.unwrap());
    assert!(flops > 6.0 * sequences * of_prompt && flops < 12.0 * sequences * of_prompt, "{flops} {of_prompt}");
    // A token reads each weight once, which a prompt multiplies at every position.
    let positions = f64::from(rows[0].T.unwrap()) / 2.0;
    assert!(bytes > of_prompt / positions && bytes < 4.0 * of_prompt / positions, "{bytes} {of_prompt}");
    for row in &rows {
        let ([low, high], percent) = (row.percent_spread.unwrap(), row.percent_of_limit.unwrap());
        assert!(0.0 < low && low <= percent && percent <= high, "{row:?}");
        assert!(row.clock.as_deref() == Some("wall") && row.repetitions.unwrap() >= 7, "{row:?}");
    }
}

fn explained() {
    let output = bench("--op adamw --explain", "");
    let text = String::from_utf8(output.stdout).unwrap();
    let line = |label: &str| text.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{text}"));
    let [kernel, sum] = [line("nn/adamw:update"), line("sum")].map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!((kernel[1], sum.last()), ("1", Some(&"100.0%")));
    // A wrong result has no times here either.
    for (op, kernel) in [("embedding", "nn/embedding"), ("train", "aft/pairs_grad")] {
        let output = bench(&format!("--op {op} --explain"), &format!("wrong-kernel@{kernel}"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{op}: {text}");
        let wrong = text.lines().filter(|line| line.contains("WRONG")).count();
        let timed = text.lines().filter(|line| line.starts_with("sum ")).count();
        assert_eq!((wrong, timed), (1, usize::from(op == "embedding")), "{op}: {text}");
    }
}

fn unknown() {
    let output = bench("--op atention", "");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("adamw, aft,") && text.contains("full factorised"), "{text}");
    // A length that only a full run has, and one that there is not.
    for explain in ["", " --explain"] {
        for (args, reasons) in [
            ("--op aft --length 2048", &["only with --full", "has these lengths: 256, 512"][..]),
            (
                "--op aft --length 999",
                &["no case of this length", "lengths: 256, 512; with --full: 256, 512, 1024, 2048, 4096"],
            ),
        ] {
            let output = bench(&format!("{args}{explain}"), "");
            let text = String::from_utf8(output.stderr).unwrap();
            let said = reasons.iter().all(|reason| text.contains(reason));
            assert!(output.status.code() == Some(2) && said, "{args}{explain}: {text}");
        }
    }
    assert_eq!(bench("--op adamw", "wrong-clock").status.code(), Some(2));
    // Some JSON objects one after the other are none.
    for (args, reason) in [("--adapter all --format json", "--output"), ("--op generate --explain", "not taken apart")]
    {
        let output = bench(args, "");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && text.contains(reason), "{args}: {text}");
    }
}

/// Before anything of a group is ready, too.
fn stopped(gpu: &Gpu) {
    let filter = Filter { op: Some("aft".into()), form: Some("simple".into()), length: Some(256) };
    let options = BenchOptions { effort: Effort::Quick, filter, commit: None };
    for (place, rows) in [("simple B=1 T=256 D=256 causal", 0), ("simple B=1 T=256 D=256 all", 2)] {
        let (mut results, asked) = (Results::new(gpu), Cell::new(false));
        let tell = |progress: &Progress| asked.set(asked.get() || progress.next == format!("aft {place}"));
        let outcome = pollster::block_on(run(gpu, &options, &mut results, tell, &|| asked.get())).unwrap();
        assert!(outcome.is_break() && results.rows.len() == rows, "{place}: {outcome:?}, {}", results.rows.len());
    }
}

fn interrupted() {
    let output = interrupt(command("--op aft --format json", ""));
    let results = results(&output);
    assert!(!results.complete && (results.limits.len() < 10 || results.rows.len() < 56), "it went on to the end");
}

/// A complete file of an earlier run stays as it is.
fn interrupted_files() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("r.json"), "complete").unwrap();
    fs::write(at("page.html"), "<html>complete").unwrap();
    let mut command = command("--op aft --format json -o r.json --html page.html", "");
    command.current_dir(&folder);
    let output = interrupt(command);
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty() && text.contains("unfinished results are in r.partial.json"), "{text}");
    let read_text = |name: &str| fs::read_to_string(at(name)).unwrap();
    assert_eq!((&*read_text("r.json"), &*read_text("page.html")), ("complete", "<html>complete"));
    assert!(read_text("r.partial.json").contains("\"complete\": false"));
    assert!(!read("r.partial.json", read_text("r.partial.json").as_bytes()).unwrap().complete);
    let page = read_text("page.partial.html");
    assert!(page.contains("(incomplete)") && !page.contains("all green"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4);
}

/// Stops a run at its first line of progress.
fn interrupt(mut command: Command) -> Output {
    use std::io::{BufRead, BufReader, Read};
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("limit: fma") {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "no progress");
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest = std::thread::spawn(move || {
        let mut text = Vec::new();
        stderr.read_to_end(&mut text).unwrap();
        text
    });
    let mut output = child.wait_with_output().unwrap();
    output.stderr = rest.join().unwrap();
    assert_eq!(output.status.code(), Some(130));
    output
}
