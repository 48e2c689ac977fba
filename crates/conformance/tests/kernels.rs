//! The suite on every runtime. The expectation is the Rust reference's; each test runs the C kernels once more.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use tinytrain_conformance::runtime::{ARM, QEMU, available, board, build_board, build_folder, build_host, core, run};
use tinytrain_conformance::suite::{suite, to_file};

fn cases() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let path = build_folder("suite").join("cases.bin");
        fs::write(&path, to_file(&suite())).expect("target can be written");
        path
    })
}

#[test]
fn c_on_the_host_under_sanitizers() {
    if !available("cc") {
        return eprintln!("skipped: no C compiler (cc)");
    }
    print!("{}", run(Command::new(build_host()).arg(cases())));
}

fn tools() -> bool {
    let missing = [ARM, QEMU].into_iter().find(|tool| !available(tool));
    if let Some(tool) = missing {
        eprintln!("skipped: {tool} is not installed");
    }
    missing.is_none()
}

fn emulated(name: &str, defines: &[&str]) -> Option<String> {
    if !tools() {
        return None;
    }
    let elf = build_board(name, &["driver.c", "emulated.c"], defines);
    let loaded = format!("loader,file={},addr=0x60000000,force-raw=on", cases().display());
    let said = run(board(&elf).args(["-device", &loaded]));
    print!("{said}");
    Some(said)
}

/// Bytes of the driver's own function between the paint and the kernel, as GCC reports them.
const DRIVER_FRAME: u32 = 112;

#[test]
fn c_on_the_emulated_board_with_dsp_instructions() {
    let Some(said) = emulated("dsp", &[]) else { return };
    if !made_the_tables() {
        return eprintln!("stack not compared: the table was made by {}", core().compiler);
    }
    for line in said.lines() {
        let (op, rest) = line.split_once(": ").expect("a line an op");
        let used: u32 = rest.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("bytes of stack");
        let planned = core().depth(&format!("tt_{op}")).unwrap_or_else(|| panic!("the table lacks tt_{op}"));
        let allowed = planned + DRIVER_FRAME;
        assert!(used <= allowed, "{op} used {used} bytes of stack, the table allows {allowed}");
    }
}

#[test]
fn c_on_the_emulated_board_without_dsp_instructions() {
    emulated("portable", &["-DTT_NO_DSP"]);
}

/// Whether the compiler is the one that tables and counts are for; another one makes other frames and other instructions.
fn made_the_tables() -> bool {
    available(ARM) && run(Command::new(ARM).arg("--version")).lines().next() == Some(&core().compiler)
}
