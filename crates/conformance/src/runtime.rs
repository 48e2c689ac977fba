//! Building the C kernels and running programs over them: on the host, and on QEMU's `mps2-an500` board (Cortex-M7).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tinytrain_target::Core;

/// Warnings that the kernels must not raise.
pub const WARNINGS: [&str; 7] =
    ["-std=c11", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wdouble-promotion", "-Werror"];
/// The emulated board's core, which is that of the STM32F746.
const CORE: &str = "cortex-m7";
/// Compiler for the board.
pub const ARM: &str = "arm-none-eabi-gcc";
/// Emulator of the board.
pub const QEMU: &str = "qemu-system-arm";

/// A folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Where this crate builds; one folder a name, emptied of nothing.
pub fn build_folder(name: &str) -> PathBuf {
    let folder = repository("target/conformance").join(name);
    fs::create_dir_all(&folder).expect("target can be written");
    folder
}

/// All C kernels, in a fixed order.
pub fn kernels() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(repository("crates/kernels/c"))
        .expect("crates/kernels/c")
        .map(|f| f.expect("entry").path())
        .filter(|f| f.extension().is_some_and(|e| e == "c"))
        .collect();
    files.sort();
    files
}

/// A file of this crate's C folder.
pub fn support(name: &str) -> PathBuf {
    repository("crates/conformance/c").join(name)
}

/// Whether a program can be run.
pub fn available(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok_and(|o| o.status.success())
}

/// Runs a command; its output as text. Panics with all it said where it fails.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let said = text(&output);
    assert!(output.status.success(), "{command:?}\n{said}");
    said
}

fn text(o: &Output) -> String {
    String::from_utf8_lossy(&o.stdout).into_owned() + &String::from_utf8_lossy(&o.stderr)
}

/// The folder with the driver's generated part.
fn generated() -> PathBuf {
    let folder = build_folder("generated");
    fs::write(folder.join("dispatch.h"), crate::driver::dispatch()).expect("target can be written");
    folder
}

/// Builds kernels and driver for this machine, every undefined behaviour and every access out of bounds an error.
pub fn build_host() -> PathBuf {
    let to = build_folder("host").join("driver");
    let mut cc = Command::new("cc");
    cc.args(WARNINGS).args(["-O1", "-g", "-DTT_NO_DSP", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    cc.arg("-I").arg(generated()).arg("-I").arg(repository("crates/kernels/c")).args(kernels());
    run(cc.args([support("driver.c"), support("host.c")]).arg("-o").arg(&to));
    to
}

/// The table of the board's core: the flags that firmware is compiled with, and the stack that the planner counts for each kernel.
pub fn core() -> &'static Core {
    Core::shipped(CORE).expect("the core is shipped")
}

/// Builds kernels and a program for the board, as firmware builds them.
pub fn build_board(name: &str, sources: &[&str], more: &[&str]) -> PathBuf {
    let to = build_folder(name).join(format!("{}.elf", sources[0].trim_end_matches(".c")));
    let mut gcc = Command::new(ARM);
    gcc.args(WARNINGS).args(&core().flags).args(core().kernel_flags.split_whitespace());
    gcc.args(["-ffunction-sections", "-fdata-sections"]).args(more);
    gcc.arg("-I").arg(generated()).arg("-I").arg(repository("crates/kernels/c")).args(kernels());
    gcc.args(sources.iter().map(|s| support(s))).arg(support("board.c"));
    gcc.args(["-nostartfiles", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", "-T"]).arg(support("board.ld"));
    run(gcc.arg("-o").arg(&to));
    to
}

/// A command that runs a program on the board; it ends with the program's exit code.
pub fn board(elf: &Path) -> Command {
    let mut q = Command::new(QEMU);
    q.args(["-M", "mps2-an500", "-nographic", "-monitor", "none", "-serial", "none"]);
    q.args(["-semihosting-config", "enable=on,target=native", "-kernel"]).arg(elf);
    q
}
