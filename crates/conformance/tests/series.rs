//! Series of raw values: the C of `device/series` gives the bits of `spec::series`, `spec::mel` and `spec::micro`, on the host under sanitizers and on the emulated board.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tinytrain_conformance::random::Random;
use tinytrain_conformance::runtime::{
    ARM, QEMU, WARNINGS, available, board, build_folder, core, repository, run, support,
};
use tinytrain_spec::mel::Front;
use tinytrain_spec::series::{Column, Normalisation, quantise};
use tinytrain_spec::{mel, micro};

/// 30 ms every 20 ms, 40 channels.
const SLOW: Front = Front { rate: 8_000, length: 240, stride: 160, channels: 40, low: 125, high: 3750 };
const FAST: Front = Front { rate: 16_000, length: 480, stride: 320, channels: 40, low: 125, high: 7500 };
/// An odd frame, and as many points as values.
const ODD: Front = Front { rate: 11_025, length: 331, stride: 331, channels: 7, low: 0, high: 5_512 };
const FULL: Front = Front { rate: 16_000, length: 1024, stride: 1, channels: 20, low: 20, high: 8_000 };

/// What networks of TensorFlow Lite for Microcontrollers are trained with.
const USUAL: micro::Front = micro::Front {
    frames: FAST,
    smoothing: 10,
    even: 0.025,
    odd: 0.06,
    remaining: 0.05,
    gain: Some(micro::Gain { strength: 0.95, offset: 80.0, bits: 21 }),
    scale: 6,
};

/// A front end of sounds.
#[derive(Clone, Copy)]
enum Kind {
    Mel(Front),
    Micro(micro::Front),
}

/// What C has of a front end: its file by its name, sizes, and tables with the type of their elements.
struct Source {
    name: &'static str,
    sizes: Vec<(&'static str, u32)>,
    tables: Vec<(&'static str, &'static str, Vec<i64>)>,
}

impl Kind {
    fn frames(&self) -> Front {
        match self {
            Self::Mel(front) => *front,
            Self::Micro(front) => front.frames,
        }
    }

    fn features(&self, sound: &[i16]) -> Vec<i16> {
        match self {
            Self::Mel(front) => mel::features(front, &front.tables().expect("a front"), sound),
            Self::Micro(front) => micro::features(front, &front.tables().expect("a front"), sound),
        }
    }

    fn source(&self) -> Source {
        let Front { length, stride, channels, .. } = self.frames();
        let common = |points, first, lines| {
            [
                ("FRAME", length),
                ("STRIDE", stride),
                ("POINTS", points),
                ("CHANNELS", channels),
                ("FIRST", first),
                ("LINES", lines),
            ]
            .to_vec()
        };
        match self {
            Self::Mel(front) => {
                let mel::Tables { window, cosines, first, ends, weights } = front.tables().expect("a front");
                let sizes = common(front.points(), first, weights.len() as u32);
                let wide = |values: &[i32]| values.iter().map(|&v| v.into()).collect();
                let short = |values: &[u16]| values.iter().map(|&v| v.into()).collect();
                let tables = vec![
                    ("int32_t", "window", wide(&window)),
                    ("int32_t", "cosines", wide(&cosines)),
                    ("uint16_t", "ends", short(&ends)),
                    ("uint16_t", "weights", short(&weights)),
                ];
                Source { name: "mel", sizes, tables }
            }
            Self::Micro(front) => {
                let tables = front.tables().expect("a front");
                let micro::Tables { window, cosines, first, ends, weights, shares, gains, gain_shift, logs } = tables;
                let mut sizes = common(front.points(), first, weights.len() as u32 / 2);
                let [even, odd, remaining] = shares.map(u32::from);
                sizes.extend([("SMOOTHING", front.smoothing), ("EVEN", even), ("ODD", odd), ("REMAINING", remaining)]);
                sizes.extend([("CORRECTION", front.correction()), ("SCALE", front.scale)]);
                let signed = |values: &[i16]| values.iter().map(|&v| v.into()).collect::<Vec<i64>>();
                let short = |values: &[u16]| values.iter().map(|&v| v.into()).collect::<Vec<i64>>();
                let mut tables = vec![
                    ("int16_t", "window", signed(&window)),
                    ("int16_t", "cosines", signed(&cosines)),
                    ("uint16_t", "ends", short(&ends)),
                    ("uint16_t", "weights", short(&weights)),
                    ("uint16_t", "logs", short(&logs)),
                ];
                if front.gain.is_some() {
                    sizes.push(("GAIN_SHIFT", gain_shift));
                    tables.push(("int16_t", "gains", signed(&gains)));
                }
                Source { name: "micro", sizes, tables }
            }
        }
    }
}

/// How a firmware takes recordings.
struct Setup {
    name: &'static str,
    columns: Vec<Column>,
    /// Values of a row.
    row: usize,
    window: usize,
    hop: usize,
    front: Option<Kind>,
}

/// Columns of any normalisation.
fn columns(r: &mut Random, count: usize) -> Vec<Column> {
    let one = |r: &mut Random| {
        let of = |r: &mut Random| f64::from(r.int(-30_000, 30_000));
        let n = Normalisation {
            mean: of(r),
            std: of(r).abs() + 1.0,
            unit: 1.0,
            scale: f64::from(r.int(1, 400)) / 25_600.0,
            zero: r.int(-128, 127),
        };
        Column::new(n).expect("a normalisation")
    };
    (0..count).map(|_| one(r)).collect()
}

fn setups() -> Vec<Setup> {
    let mut r = Random::new(0x5e71);
    let mut setup =
        |name, count, row, window, hop, front| Setup { name, columns: columns(&mut r, count), row, window, hop, front };
    // All of a frame becomes noise in an instant, or nothing at all; the gain falls as steeply as it can.
    let gain = Some(micro::Gain { strength: 1.0, offset: 0.01, bits: 30 });
    let extreme = micro::Front { smoothing: 16, even: 1.0, odd: 0.0, remaining: 1.0, gain, ..USUAL };
    vec![
        setup("one", 1, 1, 1, 1, None),
        setup("motion", 6, 6, 119, 20, None),
        setup("apart", 2, 6, 7, 11, None),
        setup("next", 3, 3, 5, 1, None),
        setup("slow", 40, 40, 49, 10, Some(Kind::Mel(SLOW))),
        setup("fast", 40, 40, 49, 49, Some(Kind::Mel(FAST))),
        setup("odd", 7, 7, 3, 2, Some(Kind::Mel(ODD))),
        setup("full", 20, 20, 4, 4, Some(Kind::Mel(FULL))),
        setup("micro-slow", 40, 40, 49, 10, Some(Kind::Micro(micro::Front { frames: SLOW, ..USUAL }))),
        setup("micro-fast", 40, 40, 49, 49, Some(Kind::Micro(USUAL))),
        setup(
            "micro-plain",
            7,
            7,
            3,
            2,
            Some(Kind::Micro(micro::Front { frames: ODD, gain: None, scale: 10, ..USUAL })),
        ),
        setup(
            "micro-full",
            20,
            20,
            4,
            4,
            Some(Kind::Micro(micro::Front { frames: Front { high: 7_999, ..FULL }, ..extreme })),
        ),
    ]
}

fn put(to: &mut Vec<u8>, words: &[usize]) {
    words.iter().for_each(|&w| to.extend((w as u32).to_le_bytes()));
}

fn put_bytes(to: &mut Vec<u8>, bytes: impl IntoIterator<Item = u8>) {
    to.extend(bytes);
    to.resize(to.len().next_multiple_of(4), 0);
}

fn put_raw(to: &mut Vec<u8>, values: &[i16]) {
    put_bytes(to, values.iter().flat_map(|v| v.to_le_bytes()));
}

impl Setup {
    /// The windows of a recording, as the host cuts them: one that is shorter is continued with its last row.
    fn windows(&self, rows: &[i16]) -> Vec<Vec<i8>> {
        let mut int8 = vec![0; rows.len()];
        quantise(rows, &self.columns, &mut int8);
        let size = self.window * self.row;
        let count = rows.len() / self.row;
        if count == 0 {
            return vec![];
        }
        if count < self.window {
            let last = int8[int8.len() - self.row..].to_vec();
            let missing = last.iter().copied().cycle().take(size - int8.len());
            return vec![int8.iter().copied().chain(missing).collect()];
        }
        (0..=count - self.window).step_by(self.hop).map(|i| int8[i * self.row..][..size].to_vec()).collect()
    }

    /// Recordings with what becomes of them.
    fn cases(&self, recordings: &[Vec<i16>]) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, &[recordings.len()]);
        for raw in recordings {
            let rows = self.front.map_or_else(|| raw.clone(), |front| front.features(raw));
            let windows = self.windows(&rows);
            put(&mut out, &[raw.len(), rows.len() / self.row, windows.len()]);
            put_raw(&mut out, raw);
            put_raw(&mut out, &rows);
            windows.iter().for_each(|w| put_bytes(&mut out, w.iter().map(|&q| q as u8)));
        }
        out
    }

    /// Random recordings: shorter than a window, of one, and longer; faint and at the bounds.
    fn random(&self, count: u32) -> Vec<Vec<i16>> {
        let mut r = Random::new(0xf0e7);
        let of_rows = |rows: usize| match self.front.map(|front| front.frames()) {
            Some(front) if rows > 0 => front.length as usize + (rows - 1) * front.stride as usize,
            Some(_) => 0,
            None => rows * self.row,
        };
        let recording = |_| {
            let rows = match r.int(0, 3) {
                0 => r.int(0, self.window as i32) as usize,
                1 => self.window,
                _ => self.window + r.int(0, 3 * self.hop as i32) as usize,
            };
            let more = if self.front.is_some() { r.int(0, 20) as usize } else { 0 };
            let most = r.of(&[1, 5, 300, 32_767]);
            (0..of_rows(rows) + more)
                .map(|_| {
                    if most == 32_767 && r.one_in(3) { r.of(&[i16::MIN, i16::MAX]) } else { r.int(-most, most) as i16 }
                })
                .collect()
        };
        (0..count).map(recording).collect()
    }

    fn sources(&self, folder: &Path, cc: &mut Command) {
        let mut define = |name: &str, value: usize| {
            cc.arg(format!("-DTT_{name}={value}u"));
        };
        define("SERIES_COLUMNS", self.columns.len());
        define("ROW_VALUES", self.row);
        define("WINDOW", self.window);
        define("HOP", self.hop);
        let mut text = String::from("#include \"tt_series.h\"\nconst tt_column tt_columns[TT_SERIES_COLUMNS] = {\n");
        for Column { factor, offset, shift } in &self.columns {
            writeln!(text, "    {{{offset}, {factor}, {shift}}},").expect("text");
        }
        text += "};\n";
        text += "#include \"tt_front.h\"\n";
        if let Some(front) = self.front {
            let Source { name, sizes, tables } = front.source();
            let upper = name.to_uppercase();
            sizes.iter().for_each(|&(size, value)| define(&format!("{upper}_{size}"), value as usize));
            for (of, table, values) in tables {
                let values: String = values.iter().map(|v| format!("{v},")).collect();
                writeln!(text, "const {of} tt_{name}_{table}[] = {{{values}}};").expect("text");
            }
            cc.arg(repository(&format!("device/series/tt_{name}.c")));
        }
        fs::write(folder.join("tables.c"), text).expect("target can be written");
        cc.args(WARNINGS);
        let folders = [support("series"), support("."), repository("device/series")];
        cc.args(folders.iter().map(|folder| format!("-I{}", folder.display())));
        cc.arg(support("series/recordings.c"))
            .arg(repository("device/series/tt_series.c"))
            .arg(folder.join("tables.c"));
    }

    fn on_host(&self, recordings: &[Vec<i16>]) -> String {
        let folder = build_folder(&format!("series-{}", self.name));
        let (to, cases) = (folder.join("recordings"), folder.join("cases.bin"));
        let mut cc = Command::new("cc");
        cc.args(["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
        self.sources(&folder, &mut cc);
        run(cc.arg(support("host.c")).arg("-o").arg(&to));
        fs::write(&cases, self.cases(recordings)).expect("target can be written");
        run(Command::new(to).arg(cases))
    }

    fn on_board(&self, recordings: &[Vec<i16>]) -> String {
        let folder = build_folder(&format!("series-board-{}", self.name));
        let (to, cases) = (folder.join("recordings.elf"), folder.join("cases.bin"));
        let mut gcc = Command::new(ARM);
        gcc.args(&core().flags).args(["-Os", "-ffunction-sections", "-fdata-sections"]);
        self.sources(&folder, &mut gcc);
        gcc.args([support("emulated.c"), support("board.c")]);
        gcc.args(["-nostartfiles", "-Wl,--gc-sections", "-Wl,--no-warn-rwx-segments", "-T"]).arg(support("board.ld"));
        run(gcc.arg("-o").arg(&to));
        fs::write(&cases, self.cases(recordings)).expect("target can be written");
        let loaded = format!("loader,file={},addr=0x60000000,force-raw=on", cases.display());
        run(board(&to).args(["-device", &loaded]))
    }
}

/// What is missing for the emulated board.
fn lacking() -> Option<&'static str> {
    [ARM, QEMU].into_iter().find(|tool| !available(tool))
}

/// The values of all recordings of one speaker of ../shared/data/spoken-digits; none where it is not there.
fn spoken(speaker: &str) -> Vec<Vec<i16>> {
    let folder = repository("../shared/data/spoken-digits");
    let mut files: Vec<PathBuf> = (0..10)
        .filter_map(|digit| fs::read_dir(folder.join(digit.to_string())).ok())
        .flat_map(|entries| entries.map(|e| e.expect("entry").path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(speaker)))
        .collect();
    files.sort();
    // They have 16 bits and one channel, behind a header of 44 bytes.
    let values = |path: &PathBuf| {
        let bytes = fs::read(path).expect("a recording");
        bytes[44..].chunks_exact(2).map(|v| i16::from_le_bytes([v[0], v[1]])).collect()
    };
    files.iter().map(values).collect()
}

#[test]
fn on_the_host_under_sanitizers() {
    if !available("cc") {
        return eprintln!("skipped: no C compiler (cc)");
    }
    for setup in setups() {
        let count = if setup.front.is_some() { 25 } else { 200 };
        print!("{}: {}", setup.name, setup.on_host(&setup.random(count)));
    }
}

#[test]
fn on_the_emulated_board() {
    if let Some(tool) = lacking() {
        return eprintln!("skipped: {tool} is not installed");
    }
    for setup in setups()
        .into_iter()
        .filter(|s| ["motion", "apart", "slow", "odd", "micro-slow", "micro-plain"].contains(&s.name))
    {
        print!("{}: {}", setup.name, setup.on_board(&setup.random(12)));
    }
}

#[test]
fn all_recordings_of_a_speaker() {
    let recordings = spoken("george");
    if recordings.is_empty() {
        return eprintln!("skipped: ../shared/data/spoken-digits is not there");
    }
    assert_eq!(recordings.len(), 500);
    for (name, front) in
        [("spoken", Kind::Mel(SLOW)), ("spoken-micro", Kind::Micro(micro::Front { frames: SLOW, ..USUAL }))]
    {
        let mut r = Random::new(7);
        let setup = Setup { name, columns: columns(&mut r, 40), row: 40, window: 20, hop: 5, front: Some(front) };
        if available("cc") {
            print!("{name}, host: {}", setup.on_host(&recordings));
        }
        match lacking() {
            Some(tool) => eprintln!("skipped: {tool} is not installed"),
            None => print!("{name}, QEMU: {}", setup.on_board(&recordings)),
        }
    }
}
