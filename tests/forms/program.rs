//! `aft apply` and `aft check` from outside: files in, files out, messages and exit codes.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use aft_wgpu::gpu::Gpu;
use libtest_mimic::Trial;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

use crate::golden::Golden;
use crate::harness::trial;

pub fn trials(gpu: &Option<Gpu>) -> Vec<Trial> {
    vec![
        trial(gpu, "program::apply_gives_what_the_golden_files_hold", |_| golden_files()),
        trial(gpu, "program::apply_replaces_a_file", |_| replaced()),
        trial(gpu, "program::apply_writes_through_links_pipes_and_stdout", |_| written_through()),
        anywhere("program::apply_refuses_an_output_before_any_work", refused_outputs),
        anywhere("program::apply_names_what_is_wrong_with_a_file", wrong_files),
        anywhere("program::apply_refuses_settings_that_make_no_sense", wrong_settings),
        trial(gpu, "program::check_ends_with_0_and_one_json_object", |_| checked()),
    ]
}

/// A test that needs no device.
fn anywhere(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// The program in a folder, with the words of `line` as arguments.
fn aft(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aft"));
    command.current_dir(folder).args(line.split_whitespace()).env_remove("RUST_LOG");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn golden_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        "simple-causal-mask",
        "full-all",
        "full-causal-factorised",
        "local-causal-4",
        "local-all-15",
        "local-all-0",
        "local-all-factorised-mask",
        "conv1d-causal-4",
        "conv1d-all-mask",
        "conv2d-all-3-on-3x5",
        "conv2d-causal-3-on-3x5",
    ] {
        let golden = Golden::open(name);
        fs::write(folder.path().join("in.safetensors"), golden.input()).unwrap();
        let request = golden.request();
        let mut line = format!("apply --variant {} in.safetensors -o out.safetensors", request.variant);
        if request.causal {
            line += " --causal";
        }
        if let Some(window) = request.window {
            line += &format!(" --window {window}");
        }
        if let Some([rows, columns]) = request.grid {
            line += &format!(" --grid {rows}x{columns}");
        }
        if !request.gated {
            line += " --gate none";
        }
        let output = aft(folder.path(), &line);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        golden.check_output(&fs::read(folder.path().join("out.safetensors")).unwrap());
    }
}

fn replaced() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("out.safetensors");
    fs::write(folder.path().join("in.safetensors"), Golden::open("simple-all").input()).unwrap();
    fs::write(&output, "old").unwrap();
    assert_eq!(aft(folder.path(), "apply --variant simple in.safetensors -o out.safetensors").status.code(), Some(0));
    let first = fs::read(&output).unwrap();
    Golden::open("simple-all").check_output(&first);
    aft(folder.path(), "apply --variant simple in.safetensors -o out.safetensors");
    assert_eq!(fs::read(&output).unwrap(), first, "not the same twice");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something is left behind");
}

fn written_through() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("in.safetensors"), Golden::open("simple-all").input()).unwrap();
    let run = aft(folder.path(), "apply --variant simple in.safetensors -o -");
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    Golden::open("simple-all").check_output(&run.stdout);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        fs::write(at("far"), "old").unwrap();
        fs::set_permissions(at("far"), fs::Permissions::from_mode(0o600)).unwrap();
        symlink("far", at("near")).unwrap();
        let line = aft(folder.path(), "apply --variant simple in.safetensors -o near");
        assert_eq!(line.status.code(), Some(0), "{}", stderr(&line));
        assert!(at("near").is_symlink() && fs::read(at("far")).unwrap() == run.stdout);
        assert_eq!(fs::metadata(at("far")).unwrap().permissions().mode() & 0o777, 0o600);

        assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read(pipe).unwrap()
        });
        let line = aft(folder.path(), "apply --variant simple in.safetensors -o pipe");
        assert_eq!(line.status.code(), Some(0), "{}", stderr(&line));
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo() && reader.join().unwrap() == run.stdout);
    }
}

/// Before an adapter is asked for, which would end with 3.
fn refused_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bytes = Golden::open("simple-all").input();
    fs::write(at("in.safetensors"), &bytes).unwrap();
    fs::create_dir(at("folder")).unwrap();
    fs::hard_link(at("in.safetensors"), at("hard.safetensors")).unwrap();
    let absolute = at("in.safetensors").display().to_string();
    let mut cases = vec![
        ("in.safetensors", 2, "is the input"),
        ("./in.safetensors", 2, "is the input"),
        ("hard.safetensors", 2, "is the input"),
        (&absolute, 2, "is the input"),
        ("folder", 4, "error: folder: "),
        ("nowhere/out.safetensors", 4, "error: nowhere/out.safetensors: "),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("in.safetensors", at("soft.safetensors")).unwrap();
        std::os::unix::fs::symlink("nowhere/x", at("astray")).unwrap();
        cases.extend([("soft.safetensors", 2, "is the input"), ("astray", 4, "error: astray: ")]);
    }
    let files = fs::read_dir(folder.path()).unwrap().count();
    for (output, code, part) in cases {
        let line = format!("apply --adapter no-such-gpu --variant simple in.safetensors -o {output}");
        let run = aft(folder.path(), &line);
        assert_eq!(run.status.code(), Some(code), "{output}: {}", stderr(&run));
        assert!(stderr(&run).contains(part), "{output}: {}", stderr(&run));
    }
    assert_eq!(fs::read(at("in.safetensors")).unwrap(), bytes);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), files, "something is left behind");
}

/// Tensors of zeros by name, type and shape.
type Tensors<'a> = &'a [(&'a str, Dtype, &'a [usize])];

fn file(tensors: Tensors<'_>) -> Vec<u8> {
    let bytes = |dtype: &Dtype, shape: &[usize]| vec![0; shape.iter().product::<usize>() * dtype.bitsize() / 8];
    let data: Vec<_> = tensors.iter().map(|(_, dtype, shape)| bytes(dtype, shape)).collect();
    let views = tensors
        .iter()
        .zip(&data)
        .map(|((name, dtype, shape), bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// Fails with exit code 4 and a sentence that names the file and holds `part`, and leaves nothing.
fn refuses(options: &str, bytes: &[u8], part: &str) {
    let folder: TempDir = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.safetensors"), bytes).unwrap();
    let run = aft(folder.path(), &format!("apply {options} in.safetensors -o out.safetensors"));
    let text = stderr(&run);
    assert_eq!(run.status.code(), Some(4), "{options}: {text}");
    assert!(text.contains("in.safetensors: ") && text.contains(part), "{options}: not \"{part}\":\n{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something is left behind");
}

fn wrong_files() {
    use Dtype::{F16, F32, U8};
    let qkv: Tensors<'_> = &[("q", F32, &[2, 6, 4]), ("k", F32, &[2, 6, 4]), ("v", F32, &[2, 6, 4])];
    let by_heads: Tensors<'_> = &[("q", F32, &[2, 6, 4]), ("k", F32, &[2, 6, 2]), ("v", F32, &[2, 6, 4])];
    let simple = "--variant simple";
    let full = "--variant full";
    refuses(simple, b"", "not a safetensors file");
    refuses(simple, &[0xff; 64], "not a safetensors file");
    refuses(simple, &file(&qkv[1..]), "the tensor q is missing: expected F32 [B = 2, T = 6, D = 4], found k, v");
    refuses(simple, &file(&qkv[..2]), "the tensor v is missing: expected F32 [B, T, D], found k, q");
    refuses(full, &file(qkv), "the tensor w is missing: expected F32 [T = 6, T = 6], found k, q, v");
    let with =
        |base: Tensors<'_>, name: &str, dtype: Dtype, shape: &[usize]| file(&[base, &[(name, dtype, shape)]].concat());
    for (options, base, name, dtype, shape, part) in [
        (
            simple,
            &qkv[1..],
            "q",
            F32,
            &[2, 6, 5][..],
            "the tensor q is F32 [2, 6, 5], expected F32 [B = 2, T = 6, D = 4]",
        ),
        (simple, &qkv[1..], "q", F16, &[2, 6, 4], "the tensor q is F16 [2, 6, 4], expected F32 [B = 2, T = 6, D = 4]"),
        (simple, &qkv[..2], "v", F32, &[2, 6], "the tensor v is F32 [2, 6], expected F32 [B, T, D]"),
        (simple, &qkv[..2], "v", F32, &[0, 6, 4], "the tensor v is [0, 6, 4]: a layer has at least one element"),
        (simple, qkv, "keys", F32, &[1], "the tensor keys [1] is unknown: variant simple reads q, k, v, mask, dy"),
        (simple, qkv, "w", F32, &[6, 6], "the tensor w [6, 6] is unknown"),
        (simple, qkv, "dy", F32, &[2, 6, 3], "the tensor dy is F32 [2, 6, 3]"),
        (simple, qkv, "mask", F32, &[2, 6], "the tensor mask is F32 [2, 6], expected U8 [B = 2, T = 6]"),
        (simple, qkv, "mask", U8, &[6], "the tensor mask is U8 [6], expected U8 [B = 2, T = 6]"),
        (full, qkv, "w", F32, &[6, 7], "the tensor w is F32 [6, 7], expected F32 [T = 6, T = 6]"),
        (
            "--variant local --window 2",
            qkv,
            "w",
            F32,
            &[6, 2],
            "the tensor w is F32 [6, 2], expected F32 [T = 6, T = 6]",
        ),
        (full, qkv, "w_u", F32, &[6, 3], "the tensor w_v is missing: expected F32 [T = 6, R = 3]"),
        (full, qkv, "w_u", F32, &[6, 0], "at least one column"),
        (full, qkv, "w_u", F32, &[5, 3], "the tensor w_u is F32 [5, 3], expected F32 [T = 6, R = 3]"),
        ("--variant conv1d", by_heads, "w", F32, &[3, 5], "the tensor w is F32 [3, 5], expected F32 [H = 2, S = 5]"),
        ("--variant conv1d", by_heads, "w", F32, &[2, 4], "odd size, not 4"),
        ("--variant conv1d", by_heads, "w", F32, &[2, 0], "the size S of a kernel is at least 1, not 0"),
        ("--variant conv1d", by_heads, "w_u", F32, &[6, 3], "the tensor w_u [6, 3] is unknown"),
        ("--variant conv2d --grid 2x3", by_heads, "w", F32, &[2, 3, 5], "expected F32 [H = 2, S = 3, S = 3]"),
        ("--variant conv2d --grid 2x4", by_heads, "w", F32, &[2, 3, 3], "T = 6 positions, a grid of 2x4"),
    ] {
        refuses(options, &with(base, name, dtype, shape), part);
    }
    let heads = [("q", F32, &[2, 6, 4][..]), ("k", F32, &[2, 6, 3]), ("v", F32, &[2, 6, 4]), ("w", F32, &[3, 5])];
    refuses(
        "--variant conv1d",
        &file(&heads),
        "the tensor k has 3 columns, expected a number H of heads that divides D = 4",
    );
    let both = [qkv, &[("w", F32, &[6, 6][..]), ("w_u", F32, &[6, 1]), ("w_v", F32, &[6, 1])]].concat();
    refuses(full, &file(&both), "the tensors w and w_u are both there");
}

fn wrong_settings() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("in.safetensors"), Golden::open("simple-all").input()).unwrap();
    for (options, code, part) in [
        ("", 2, "--variant"),
        ("--variant sparse", 2, "'sparse'"),
        ("--variant local", 2, "--window"),
        ("--variant local --window -1", 2, "'-1'"),
        ("--variant simple --window 3", 2, "--window"),
        ("--variant full --window 3", 2, "--window"),
        ("--variant conv1d --window 3", 2, "--window"),
        ("--variant conv --window 3", 2, "variant conv1d takes its window from w"),
        ("--variant conv2d", 2, "--grid"),
        ("--variant conv2d --grid 3", 2, "ROWSxCOLS"),
        ("--variant conv2d --grid 0x3", 2, "0x3"),
        ("--variant full --grid 3x3", 2, "--grid"),
        ("--variant simple --gate tanh", 2, "'tanh'"),
    ] {
        let run = aft(folder.path(), &format!("apply {options} in.safetensors -o out.safetensors"));
        assert_eq!(run.status.code(), Some(code), "{options}: {}", stderr(&run));
        assert!(stderr(&run).contains(part), "{options}: {}", stderr(&run));
    }
    let run = aft(folder.path(), "apply --variant simple gone.safetensors -o out.safetensors");
    assert_eq!(run.status.code(), Some(4));
    assert!(stderr(&run).contains("gone.safetensors"), "{}", stderr(&run));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn checked() {
    let folder = tempfile::tempdir().unwrap();
    let run = aft(folder.path(), "check --json");
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(report["passed"], true);
    assert!(report["exp"]["base"].as_f64().unwrap() < 1e-6 && report["adapter"].is_string());
    let forms = report["forms"].as_array().unwrap();
    assert!(forms.iter().all(|line| line["ratio"].as_f64().unwrap() <= 1.0 && line["name"].is_string()));
    let run = aft(folder.path(), "check --adapter no-such-gpu");
    assert_eq!(run.status.code(), Some(3), "{}", stderr(&run));
}
