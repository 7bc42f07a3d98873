//! Options and environment: what is taken as it is, and what is refused by its name.

use std::process::Command;

use aft_wgpu::gpu::Gpu;
use libtest_mimic::Trial;

use crate::place::{Place, Run, TINY};
use crate::{harness, trial};

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial("numbers out of range are refused by option and range", numbers),
        trial("options that exclude each other are named", conflicts),
        trial("eval without a model is refused", no_model),
        trial("a log level of nothing is none", log_level),
        harness::trial(gpu, "variables set to nothing are as if unset", |_| empty_variables()),
    ]
}

fn numbers() {
    const U32: u64 = u32::MAX as u64;
    let whole = |option: &str, low: u64, high: u64, below: &str| {
        (option.to_owned(), below.to_owned(), format!("it is a whole number from {low} to {high}"))
    };
    let real = |option: &str, range: &str| (option.to_owned(), "-1".to_owned(), format!("it is a number {range}"));
    let train = [
        whole("--layers", 1, 1024, "-1"),
        whole("--layers", 1, 1024, "1025"),
        whole("--dim", 1, 65_536, "-4"),
        whole("--heads", 1, U32, "0"),
        whole("--window", 1, U32, "-1"),
        whole("--rank", 1, U32, "-1"),
        whole("--length", 1, 131_072, "-1"),
        whole("--batch", 1, U32, "-1"),
        whole("--accumulate", 1, 1024, "1025"),
        whole("--steps", 1, U32, "-3"),
        whole("--steps", 1, U32, "4294967296"),
        whole("--sample-bytes", 0, U32, "-1"),
        whole("--seed", 0, i64::MAX as u64, "-1"),
        real("--dropout", "from 0 to below 1"),
        real("--lr", "above 0"),
        real("--weight-decay", "from 0 on"),
        real("--time", "above 0"),
    ];
    let generate = [
        whole("--bytes", 0, U32, "-1"),
        whole("--top-k", 0, U32, "-1"),
        whole("--samples", 1, U32, "0"),
        whole("--seed", 0, u64::MAX, "-1"),
        whole("--seed", 0, u64::MAX, "18446744073709551616"),
        real("--temperature", "from 0 on"),
        real("--top-p", "above 0 and at most 1"),
    ];
    let other = [
        ("bench", whole("--length", 0, U32, "-1")),
        ("apply --variant local in -o out", whole("--window", 0, usize::MAX as u64, "-1")),
    ];
    let cases = train.into_iter().map(|case| ("train text", case));
    let cases = cases.chain(generate.into_iter().map(|case| ("generate run", case))).chain(other);
    let place = Place::new();
    for (command, (option, value, range)) in cases {
        for line in [format!("{command} {option} {value}"), format!("{command} {option}={value}")] {
            let run = place.aft_without_adapter(&line);
            run.fails(2, &range);
            run.fails(2, &format!("invalid value '{value}' for '{option} <"));
        }
    }
    place.refuses(Place::aft_without_adapter, 2, &[("train text --save-every -5", "--save-every")]);
}

fn conflicts() {
    let cases = [
        ("generate run --prompt a --prompt-file b", "'--prompt-file <FILE>'"),
        ("generate run --raw --json", "'--json'"),
        ("generate run --raw --samples 2", "'--samples <N>'"),
    ];
    Place::new().refuses(Place::aft_without_adapter, 2, &cases);
}

fn no_model() {
    let cases = [("eval --text text.txt", "no model is given"), ("eval", "required arguments")];
    Place::new().refuses(Place::aft_without_adapter, 2, &cases);
}

/// A command that finds no Vulkan driver, of which the loader has something to say.
fn without_driver(place: &Place) -> Command {
    let mut command = place.command("adapters");
    command.env("WGPU_BACKEND", "vulkan").env("VK_ICD_FILENAMES", "/nonexistent");
    command.env("VK_DRIVER_FILES", "/nonexistent");
    command
}

fn log_level() {
    let place = Place::new();
    let unset = Run::new("adapters", without_driver(&place).output().unwrap());
    let empty = without_driver(&place).env("RUST_LOG", "").env("RUST_LOG_STYLE", "").output().unwrap();
    assert_eq!(Run::new("adapters", empty).stderr, unset.stderr);
}

fn empty_variables() {
    let place = Place::new();
    let line = TINY.to_owned() + " --out run";
    let mut command = place.command(&line);
    for name in [
        "WGPU_BACKEND",
        "WGPU_ADAPTER_NAME",
        "WGPU_VALIDATION",
        "WGPU_DEBUG",
        "RUST_LOG",
        "AFT_INJECT",
        "NO_COLOR",
        "CLICOLOR",
        "CLICOLOR_FORCE",
    ] {
        command.env(name, "");
    }
    Run::new(&line, command.output().unwrap()).ok();
}
