//! Folders that are taken, full or read-only.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::place::{End, Place};

pub fn two_runs() {
    let place = Place::new();
    let ended = |a: Child, b: Child| [a, b].map(End::wait);
    let one_refused = |ends: [End; 2]| {
        let refused: Vec<_> = ends.iter().filter(|end| end.code != Some(0)).collect();
        // The later one may find the run finished by the first.
        let late = ends.iter().any(|end| end.stdout.contains("is finished"));
        assert!(refused.len() == 1 || (late && refused.is_empty()), "{} refused", refused.len());
        refused.iter().for_each(|end| end.fails(4, &["run"]));
    };
    one_refused(ended(place.begin().spawn().unwrap(), place.begin().spawn().unwrap()));
    place.ended_well();

    let place = Place::new();
    let mut first = place.begin().spawn().unwrap();
    assert!(place.wait_for_saves(&mut first, 1));
    End::of(place.begin()).fails(4, &["run"]);
    if first.try_wait().unwrap().is_none() {
        let second = End::of(place.resume());
        if first.try_wait().unwrap().is_none() {
            second.fails(4, &["another run is at work", "run", "Wait for it"]);
            assert!(!second.stderr.contains("--out"), "{}", second.stderr);
        }
    }
    first.kill().unwrap();
    first.wait().unwrap();
    one_refused(ended(place.resume().spawn().unwrap(), place.resume().spawn().unwrap()));
    place.ended_well();
}

/// What lies in a run's folder may be kept elsewhere, or be for its owner alone.
#[cfg(unix)]
pub fn links_and_modes() {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
    let place = Place::new();
    place.begin_and_kill(2);
    let run = place.run();
    let far = place.path().join("far");
    fs::create_dir(&far).unwrap();
    for name in ["checkpoint.safetensors", "checkpoint.previous.safetensors", "metrics.jsonl"] {
        fs::rename(run.join(name), far.join(name)).unwrap();
        symlink(far.join(name), run.join(name)).unwrap();
    }
    symlink("/dev/null", run.join("sample.txt")).unwrap();
    fs::write(run.join("loss.svg"), "").unwrap();
    fs::set_permissions(run.join("loss.svg"), fs::Permissions::from_mode(0o600)).unwrap();
    place.ends_well();
    for name in ["checkpoint.safetensors", "checkpoint.previous.safetensors", "metrics.jsonl", "sample.txt"] {
        assert!(run.join(name).is_symlink(), "{name}");
    }
    let [latest, previous] = ["checkpoint.safetensors", "checkpoint.previous.safetensors"]
        .map(|name| aft_wgpu::train::Checkpoint::from_bytes(&fs::read(far.join(name)).unwrap()).unwrap().step());
    assert!(previous < latest, "{previous} {latest}");
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    assert_eq!(fs::metadata(run.join("loss.svg")).unwrap().permissions().mode() & 0o777, 0o600);

    let place = Place::new();
    place.begin_and_kill(1);
    let _socket = std::os::unix::net::UnixListener::bind(place.run().join("sample.txt")).unwrap();
    let before = place.checkpoint().unwrap();
    End::of(place.resume()).fails(4, &["run/sample.txt: neither a file"]);
    assert!(place.checkpoint().unwrap() == before, "it was at work first");
}

/// As on a disk that takes small files only; needs no rights.
pub fn no_growth() {
    let place = Place::new();
    place.begin_and_kill(2);
    let before = place.checkpoint().unwrap();
    let program = env!("CARGO_BIN_EXE_aft");
    let mut command = Command::new("sh");
    // 32 KiB; a checkpoint takes about 170.
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f 64; exec '{program}' train text --resume run")]);
    let end: End = command.current_dir(place.path()).output().unwrap().into();
    end.fails(4, &["checkpoint.safetensors"]);
    assert!(place.checkpoint().unwrap() == before);
    assert!(!place.files().iter().any(|name| name.ends_with(".tmp")), "{:?}", place.files());
    place.ends_well();
}

/// A file system of its own in a run's folder.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        fs::create_dir(folder).unwrap();
        let options = format!("size={size}");
        let status = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        status.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_owned()))
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

pub fn may_mount() -> bool {
    let folder = tempfile::tempdir().unwrap();
    Disk::mount(&folder.path().join("disk"), "64k").is_some()
}

pub fn full_disk() {
    let place = Place::new();
    // Room for two checkpoints, and not for a third beside them.
    let disk = Disk::mount(&place.run(), "450k").unwrap();
    End::of(place.begin()).fails(4, &["checkpoint.safetensors"]);
    let step = place.checkpoint().unwrap().step();
    assert!(step >= 10, "{step}");
    assert!(!place.files().iter().any(|name| name.ends_with(".tmp")), "{:?}", place.files());
    End::of(place.resume()).fails(4, &["run"]);
    assert_eq!(place.checkpoint().unwrap().step(), step);
    disk.remount("size=4m");
    place.ends_well();
}

pub fn read_only() {
    let place = Place::new();
    let disk = Disk::mount(&place.run(), "4m").unwrap();
    disk.remount("ro");
    End::of(place.begin()).fails(4, &["run", "Read-only"]);
    disk.remount("rw");
    place.begin_and_kill(1);
    let files = place.files();
    disk.remount("ro");
    End::of(place.resume()).fails(4, &["run", "Read-only"]);
    End::of(place.aft("eval run")).ok();
    assert_eq!(place.files(), files);
    disk.remount("rw");
    place.ends_well();
    disk.remount("ro");
    assert!(End::of(place.resume()).ok().stdout.contains("run is finished"));
}
