//! Damaged files: never a panic; an error, or (where a weight or a name was hit) a valid graph. Allocations stay within
//! a multiple of the file.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::pickled::zip;
use common::{Random, SHARED, pickled, shared, small};
use tinytrain_import::{ImportOptions, import};

/// Counts what a thread holds, and the most it held.
struct Counting;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

#[allow(unsafe_code)]
// SAFETY: everything is passed on to the system's allocator; the counters are plain cells that never allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = HELD.try_with(|h| {
            h.set(h.get() + layout.size());
            let _ = PEAK.try_with(|p| p.set(p.get().max(h.get())));
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        let _ = HELD.try_with(|h| h.set(h.get().saturating_sub(layout.size())));
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Imports and checks what must hold of any outcome.
fn try_import(name: &str, bytes: &[u8]) -> bool {
    let before = HELD.get();
    PEAK.set(before);
    let result = import(name, bytes, &ImportOptions::default());
    let held = PEAK.get() - before;
    assert!(held <= 24 * bytes.len() + (1 << 18), "{name}: {held} bytes for a file of {}", bytes.len());
    match result {
        Ok(m) => {
            m.graph.verify("malformed").unwrap();
            true
        }
        Err(e) => {
            assert!(e.to_string().starts_with(name) && !e.code().is_empty() && e.code() != "INTERNAL", "{e}");
            false
        }
    }
}

/// All files to damage: the shared models, and a small one of each kind.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let mut files = vec![("small.tflite", small().bytes()), ("small.pkl", zip(&pickled::small().pickle()))];
    files.extend(SHARED.iter().filter_map(|name| Some((*name, shared(name)?))));
    files
}

#[test]
fn truncated_files() {
    for (name, bytes) in files() {
        assert!(try_import(name, &bytes), "{name} itself");
        let steps = if bytes.len() < 1 << 14 { bytes.len() } else { 64 };
        for n in 0..steps {
            let whole = try_import(name, &bytes[..bytes.len() * n / steps]);
            // A .tflite may end in bytes that nothing refers to; a zip's directory stands at its end.
            assert!(!whole || name.ends_with(".tflite"), "{name} cut at {n}/{steps}");
        }
    }
}

#[test]
fn flipped_bits() {
    for (name, bytes) in files() {
        let (mut random, rounds) = (Random(1), if bytes.len() < 1 << 14 { 4000 } else { 300 });
        let mut valid = 0;
        for _ in 0..rounds {
            let mut damaged = bytes.clone();
            for _ in 0..=random.next(3) {
                let n = random.next(damaged.len());
                damaged[n] ^= 1 << random.next(8);
            }
            valid += try_import(name, &damaged) as usize;
        }
        println!("{name}: {valid} of {rounds} still valid");
    }
}

/// The structure of a .tflite stands mostly at its end and its front; a pickle is damaged behind the checksum's back.
#[test]
fn damaged_structure() {
    let (mut random, bytes) = (Random(2), small().bytes());
    for _ in 0..6000 {
        let mut damaged = bytes.clone();
        let at = random.next(damaged.len() - 4) & !3;
        let wild = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, random.next(1 << 32) as u32, random.next(64) as u32];
        damaged[at..at + 4].copy_from_slice(&wild[random.next(wild.len())].to_le_bytes());
        try_import("small.tflite", &damaged);
    }
    // The shared pickles lie in their zips at a place that the entry's name gives away.
    let stored = |bytes: Vec<u8>| bytes.windows(3).position(|w| w == b"\x80\x02}").map(|at| bytes[at..].to_vec());
    let mut pickles = vec![(pickled::small().pickle(), 6000)];
    pickles.extend(SHARED[..2].iter().filter_map(|name| Some((stored(shared(name)?)?, 60))));
    for (pickle, rounds) in pickles {
        assert!(try_import("whole.pkl", &zip(&pickle)));
        for _ in 0..rounds {
            let mut damaged = pickle.clone();
            for _ in 0..=random.next(4) {
                // Half of the damage near the front, where a large pickle has more structure than weights.
                let front = random.next(2) == 0;
                let n = random.next(if front { damaged.len().min(4000) } else { damaged.len() });
                damaged[n] = random.next(256) as u8;
            }
            try_import("small.pkl", &zip(&damaged));
        }
    }
}

#[test]
fn every_offset_made_wild() {
    let bytes = small().bytes();
    for at in (0..bytes.len() - 4).step_by(2) {
        for wild in [u32::MAX, 0x7fff_fff0, bytes.len() as u32, 4] {
            let mut damaged = bytes.clone();
            damaged[at..at + 4].copy_from_slice(&wild.to_le_bytes());
            try_import("small.tflite", &damaged);
        }
    }
}

#[test]
fn aliased_weights_are_not_copied_without_end() {
    // 20,000 convolutions that all name the same 64 KB of weights: 1.3 GB if they were copied.
    use common::{Net, SAME, conv, op};
    let mut n = Net::new(&[1, 1, 1, 256]);
    let w = n.weights(&[256, 1, 1, 256], &[0.01], 0);
    let mut x = 0;
    for _ in 0..20_000 {
        let y = n.activation(&[1, 1, 1, 256], 0.5, 0);
        n.op(op::CONV_2D, &[x, w, -1], &[y], conv(SAME, 1, 0));
        x = y;
    }
    n.model.operator_codes.as_mut().unwrap().truncate(1);
    n.graph().operators.as_mut().unwrap().iter_mut().for_each(|o| o.code = 0);
    let bytes = n.bytes();
    let e = import("alias.tflite", &bytes, &ImportOptions::default()).unwrap_err();
    assert!(e.to_string().contains("over and over"), "{e}");
    assert!(!try_import("alias.tflite", &bytes));
}

#[test]
fn noise_is_neither_format() {
    let mut random = Random(3);
    let noise: Vec<u8> = (0..10 << 20).map(|_| random.next(256) as u8).collect();
    let e = import("noise.bin", &noise, &ImportOptions::default()).unwrap_err();
    assert_eq!(e.code(), "MODEL_FORMAT");
    assert!(e.to_string().starts_with("noise.bin: not a .tflite and not a .pkl model: its first bytes are"), "{e}");
    for prefix in [&b"\0\0\0\0TFL3"[..], b"\x1c\0\0\0TFL3", b"PK\x03\x04"] {
        let mut marked = noise[..1 << 16].to_vec();
        marked[..prefix.len()].copy_from_slice(prefix);
        assert!(!try_import("noise.bin", &marked));
    }
    for (bytes, says) in [(&b""[..], "empty"), (b"\x80\x04abc", "bare pickle"), (b"version https://git-lfs", "LFS")] {
        let e = import("f", bytes, &ImportOptions::default()).unwrap_err();
        assert!(e.to_string().contains(says), "{e}");
    }
}
