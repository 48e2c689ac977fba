//! Matrices cut into panels of [`LANES`] columns, and the product over them on which all full convolutions are based.
//!
//! A panel holds its rows one after the other, `LANES` int16 each, so that a loop over rows reads memory in order and
//! keeps `LANES` sums in vector registers. Columns beyond the last are zero.

/// Columns of a panel: two AVX2 registers of int32.
pub const LANES: usize = 16;

/// Number of panels for `n` columns.
pub fn panels(n: usize) -> usize {
    n.div_ceil(LANES)
}

/// Widens int8 to int16 and subtracts `zero`.
pub fn widen(src: &[i8], zero: i16, dst: &mut [i16]) {
    for (d, &s) in dst.iter_mut().zip(src) {
        *d = s as i16 - zero;
    }
}

/// Cuts `src`, rows of `c` channels, into panels of `n` columns and subtracts `zero`; column `j` is channel `map(j)`,
/// which is `channels[j] / divisor`, or `j / divisor` without `channels`.
pub fn cut(src: &[i8], c: usize, n: usize, channels: Option<&[u16]>, divisor: usize, zero: i16, dst: &mut [i16]) {
    let rows = src.len() / c;
    for (q, panel) in dst.chunks_exact_mut(rows * LANES).enumerate() {
        let width = LANES.min(n - q * LANES);
        let mut map = [0usize; LANES];
        for j in 0..width {
            let column = q * LANES + j;
            map[j] = channels.map_or(column, |list| list[column] as usize) / divisor;
        }
        let in_order = (1..width).all(|j| map[j] == map[0] + j);
        for (row, to) in src.chunks_exact(c).zip(panel.as_chunks_mut::<LANES>().0) {
            if in_order && width == LANES {
                let from = &row[map[0]..][..LANES];
                for j in 0..LANES {
                    to[j] = from[j] as i16 - zero;
                }
            } else {
                for j in 0..width {
                    to[j] = row[map[j]] as i16 - zero;
                }
                to[width..].fill(0);
            }
        }
    }
}

/// `c[r][..] += a[r][..] * b` for `rows` rows: `a` has `k` values per row, `b` consists of `panels` panels of `k`
/// rows, and row `r` of `c` begins at `r * stride`, panel after panel. Sums wrap.
pub fn product(a: &[i16], b: &[i16], k: usize, rows: usize, panels: usize, c: &mut [i32], stride: usize) {
    for q in 0..panels {
        let panel = &b[q * k * LANES..][..k * LANES];
        let mut r = 0;
        while r + 4 <= rows {
            tile::<4>(&a[r * k..], k, panel, &mut c[r * stride + q * LANES..], stride);
            r += 4;
        }
        while r < rows {
            tile::<1>(&a[r * k..], k, panel, &mut c[r * stride + q * LANES..], stride);
            r += 1;
        }
    }
}

/// `R` rows times one panel, with the sums in registers.
#[inline(always)]
fn tile<const R: usize>(a: &[i16], k: usize, panel: &[i16], c: &mut [i32], stride: usize) {
    let rows: [&[i16]; R] = std::array::from_fn(|r| &a[r * k..][..k]);
    let mut acc: [[i32; LANES]; R] = std::array::from_fn(|r| load(&c[r * stride..]));
    for (i, b) in panel.as_chunks::<LANES>().0[..k].iter().enumerate() {
        for r in 0..R {
            multiply_add(&mut acc[r], rows[r][i], b);
        }
    }
    for r in 0..R {
        c[r * stride..][..LANES].copy_from_slice(&acc[r]);
    }
}

#[inline(always)]
fn load(c: &[i32]) -> [i32; LANES] {
    let mut acc = [0; LANES];
    acc.copy_from_slice(&c[..LANES]);
    acc
}

#[inline(always)]
fn multiply_add(acc: &mut [i32; LANES], x: i16, b: &[i16; LANES]) {
    for j in 0..LANES {
        acc[j] = acc[j].wrapping_add(x as i32 * b[j] as i32);
    }
}

/// `acc += x * w`, lane by lane.
#[inline(always)]
pub fn multiply_lanes(acc: &mut [i32; LANES], x: &[i16; LANES], w: &[i16; LANES]) {
    for j in 0..LANES {
        acc[j] = acc[j].wrapping_add(x[j] as i32 * w[j] as i32);
    }
}
