//! Behaviour of the short commands when their output cannot be written.

use std::fs::File;
use std::process::{Command, Stdio};

/// Runs `lanboot doctor` with its output going to `out`; returns its exit status and its error.
fn doctor(out: impl Into<Stdio>) -> (Option<i32>, String) {
    let done = Command::new(env!("CARGO_BIN_EXE_lanboot"))
        .arg("doctor")
        .stdout(out)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.code(), said)
}

#[test]
fn a_full_disk_is_reported_in_a_sentence() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (status, said) = doctor(full);
    assert_eq!(status, Some(1), "{said}");
    assert_eq!(
        said,
        "lanboot: standard output: No space left on device (os error 28)\n"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (status, said) = doctor(writer);
    assert!(matches!(status, Some(0 | 1)), "{status:?} {said}");
    assert_eq!(said, "");
}
