//! Frames of a camera: the C of `device/camera` gives the bits of `spec::camera`, on the host under sanitizers and on the emulated board.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tinytrain_conformance::random::Random;
use tinytrain_conformance::runtime::{
    ARM, QEMU, WARNINGS, available, board, build_folder, core, repository, run, support,
};
use tinytrain_spec::camera::{Pixels, View, sample};

/// Formats with their numbers in C.
const FORMATS: [(Pixels, u32); 3] = [(Pixels::Rgb888, 1), (Pixels::Rgb565, 3), (Pixels::Grey, 4)];
const SIZES: [(u32, u32); 6] = [(320, 240), (160, 120), (96, 96), (176, 144), (64, 480), (1, 1)];

fn put(to: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|w| to.extend(w.to_le_bytes()));
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.extend(bytes);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// A window of a frame: all of it, one pixel, or any.
fn view(r: &mut Random) -> View {
    let side = |r: &mut Random| {
        let most = r.of(&[40, 40, 40, 400]);
        r.int(1, most) as u32
    };
    let (width, height) = if r.one_in(4) { r.of(&SIZES) } else { (side(r), side(r)) };
    let part = |r: &mut Random, all: u32| match r.int(0, 3) {
        0 => (0, all),
        1 => (r.int(0, all as i32 - 1) as u32, 1),
        _ => {
            let first = r.int(0, all as i32 - 1);
            (first as u32, r.int(1, all as i32 - first) as u32)
        }
    };
    let ((left, columns), (top, rows)) = (part(r, width), part(r, height));
    View { width, height, left, top, columns, rows }
}

/// Frames with their samples, views that are none with their status, and a format that is none.
fn cases(shape: [u32; 3], count: u32) -> Vec<u8> {
    let mut r = Random::new(0xca3e);
    shape.iter().for_each(|&side| r.mix(side));
    let refused = [
        ([4, 4, 1, 0, 4, 4], 4, 1),
        ([4, 4, 0, 1, 4, 4], 4, 1),
        ([4, 4, 0, 0, 0, 4], 4, 1),
        ([4, 4, 0, 0, 4, 0], 4, 1),
        ([4, 4, 65535, 0, 4, 4], 4, 1),
        ([65535, 65535, 0, 0, 4097, 4096], 4, 1),
        ([4, 4, 0, 0, 4, 4], 0, 2),
        ([4, 4, 0, 0, 4, 4], 2, 2),
    ];
    let mut out = Vec::new();
    put(&mut out, &[count + refused.len() as u32]);
    for (view, format, status) in refused {
        put(&mut out, &view);
        put(&mut out, &[format, status, 0]);
    }
    for _ in 0..count {
        let view = view(&mut r);
        let (pixels, format) = r.of(&FORMATS);
        let n = (view.width * view.height) as usize * pixels.bytes();
        let frame: Vec<u8> = r.bytes(n).iter().map(|&q| q as u8).collect();
        put(&mut out, &[view.width, view.height, view.left, view.top, view.columns, view.rows, format, 0, n as u32]);
        put_bytes(&mut out, &frame);
        put_bytes(&mut out, &sample(&view, pixels, &frame, shape));
    }
    out
}

fn written(folder: &Path, shape: [u32; 3], count: u32) -> PathBuf {
    let path = folder.join("frames.bin");
    fs::write(&path, cases(shape, count)).expect("target can be written");
    path
}

fn sources(cc: &mut Command, [height, width, channels]: [u32; 3]) {
    cc.args(WARNINGS).args(
        ["INPUT_HEIGHT", "INPUT_WIDTH", "INPUT_CHANNELS"]
            .iter()
            .zip([height, width, channels])
            .map(|(name, value)| format!("-DTT_{name}={value}u")),
    );
    let folders = [support("camera"), support("."), repository("device/camera")];
    cc.args(folders.iter().map(|folder| format!("-I{}", folder.display())));
    cc.arg(support("camera/frames.c")).arg(repository("device/camera/tt_camera.c"));
}

#[test]
fn on_the_host_under_sanitizers() {
    if !available("cc") {
        return eprintln!("skipped: no C compiler (cc)");
    }
    for shape in [[1, 1, 1], [1, 1, 3], [3, 5, 3], [24, 24, 1], [64, 64, 3], [96, 96, 1], [2, 300, 3]] {
        let folder = build_folder(&format!("camera-{}x{}x{}", shape[0], shape[1], shape[2]));
        let to = folder.join("frames");
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        sources(&mut cc, shape);
        run(cc.arg(support("host.c")).arg("-o").arg(&to));
        print!("{shape:?}: {}", run(Command::new(to).arg(written(&folder, shape, 300))));
    }
}

#[test]
fn on_the_emulated_board() {
    if let Some(tool) = [ARM, QEMU].into_iter().find(|tool| !available(tool)) {
        return eprintln!("skipped: {tool} is not installed");
    }
    for shape in [[64, 64, 3], [7, 5, 1]] {
        let folder = build_folder(&format!("camera-board-{}x{}x{}", shape[0], shape[1], shape[2]));
        let to = folder.join("frames.elf");
        let mut gcc = Command::new(ARM);
        gcc.args(&core().flags).args(["-Os", "-ffunction-sections", "-fdata-sections"]);
        sources(&mut gcc, shape);
        gcc.args([support("emulated.c"), support("board.c")]);
        gcc.args(["-nostartfiles", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", "-T"]).arg(support("board.ld"));
        run(gcc.arg("-o").arg(&to));
        let loaded = format!("loader,file={},addr=0x60000000,force-raw=on", written(&folder, shape, 60).display());
        print!("{shape:?}: {}", run(board(&to).args(["-device", &loaded])));
    }
}
