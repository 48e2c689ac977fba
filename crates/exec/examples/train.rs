//! Trains on raw pictures: `train MODEL PICTURES.bin SCHEME BITS VISITS LR SEED`, for measurements without the package around it.
//! PICTURES.bin: u32 classes, u32 train, u32 test, u32 bytes, then labels (u16) and pictures (uint8).
use std::sync::Arc;
use std::time::Instant;
use tinytrain_exec::*;
use tinytrain_ir::Scheme;

fn main() {
    let a: Vec<String> = std::env::args().collect();
    let bytes = std::fs::read(&a[1]).unwrap();
    let model = tinytrain_import::import(
        &a[1],
        &bytes,
        &tinytrain_import::Options { input: Some([128, 128]), ..Default::default() },
    )
    .unwrap();
    let raw = std::fs::read(&a[2]).unwrap();
    let word = |i: usize| u32::from_le_bytes(raw[i * 4..i * 4 + 4].try_into().unwrap()) as usize;
    let (classes, train, test, size) = (word(0), word(1), word(2), word(3));
    let label = |i: usize| u16::from_le_bytes(raw[16 + i * 2..18 + i * 2].try_into().unwrap());
    let data = &raw[16 + (train + test) * 2..];
    let part = |from: usize, n: usize| -> Arc<dyn PictureSource> {
        let px = data[from * size..(from + n) * size].iter().map(|&p| (p as i16 - 128) as i8).collect();
        Arc::new(Pictures::new(px, (from..from + n).map(label).collect(), size).unwrap())
    };
    let (tr, te) = (part(0, train), part(train, test));
    let seed: u64 = a[7].parse().unwrap();
    let order = permutation(seed, 0, train);
    let calib: Vec<(Vec<i8>, usize)> = order[..CALIBRATION_PICTURES]
        .iter()
        .map(|&i| {
            let mut p = vec![0; size];
            tr.read(i as usize, &mut p).unwrap();
            (p, tr.label(i as usize))
        })
        .collect();
    let t = Instant::now();
    let c = Compiler::new(&model.graph, classes, seed, &calib, 2).unwrap();
    println!("calibrated in {:?}", t.elapsed());
    let t = Instant::now();
    let scheme = Scheme::parse(&a[3], c.layers()).unwrap();
    let p = Arc::new(c.compile(&scheme, a[4].parse().unwrap(), 200).unwrap());
    println!(
        "compiled in {:?}: arena {} (bound {}), state {}, prefix {} of {} steps",
        t.elapsed(),
        p.arena_bytes,
        p.plan.lower_bound,
        p.state_bytes,
        p.prefix,
        p.steps.len()
    );
    let steps: u64 = a[5].parse().unwrap();
    let options = TrainOptions {
        schedule: Schedule { peak: a[6].parse().unwrap(), steps },
        seed,
        augment: Augment::default(),
        cache_bytes: 2 << 30,
        threads: 2,
    };
    let mut t = Trainer::new(p, tr, options).unwrap();
    let ctl = Control::default();
    let start = Instant::now();
    let before = t.evaluate(&te, 2, &ctl).unwrap();
    println!("before {:.2} % in {:?}", 100.0 * before.correct as f64 / test as f64, start.elapsed());
    let start = Instant::now();
    let r = t.run(steps, &ctl).unwrap();
    let el = start.elapsed();
    let after = t.evaluate(&te, 2, &ctl).unwrap();
    let sat: u64 = t.executor().saturated().iter().sum();
    println!(
        "after {:.2} % ({} of {}), mean loss {:.3}, saturated {sat}, {:?} ({:.2} ms a step)\n{}",
        100.0 * after.correct as f64 / test as f64,
        after.correct,
        test,
        r.loss as f64 / 65536.0 / r.steps as f64,
        el,
        el.as_secs_f64() * 1e3 / r.steps as f64,
        t.checksum()
    );
}
