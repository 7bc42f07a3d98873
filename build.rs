//! Tells the library which commit it is built from, where it is built from a checkout.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // What comes as a package may lie inside of somebody else's checkout.
    let ours = git(&["rev-parse", "--show-prefix"]).is_some_and(|prefix| prefix.is_empty());
    let (true, Some(commit)) = (ours, git(&["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])) else {
        return;
    };
    println!("cargo::rustc-env=AFT_COMMIT={commit}");
    for path in ["src", "shaders", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}

fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
