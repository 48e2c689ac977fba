//! Conversions between bits and bytes.

/// Byte `i` of entry `b` is bit `i` of `b`.
const SPREAD: [u64; 256] = {
    let mut table = [0u64; 256];
    let mut b = 0;
    while b < 256 {
        let mut i = 0;
        while i < 8 {
            table[b] |= ((b as u64 >> i) & 1) << (8 * i);
            i += 1;
        }
        b += 1;
    }
    table
};

/// Bit `i` of the result is byte `i`; all eight bytes are 0 or 1.
#[inline(always)]
fn gather(bytes: [u8; 8]) -> u8 {
    (u64::from_le_bytes(bytes).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// Writes a mask from the first bit to the last, any number of bits at a time.
pub struct MaskWriter<'a> {
    mask: Option<&'a mut [u8]>,
    at: usize,
    /// The bits of the incomplete byte and their number, at most 7.
    pending: u8,
    bits: usize,
}

impl<'a> MaskWriter<'a> {
    /// Starts at the first bit; without a mask, all writes are ignored.
    #[inline(always)]
    pub fn new(mask: Option<&'a mut [u8]>) -> Self {
        Self { mask, at: 0, pending: 0, bits: 0 }
    }

    /// Appends flags, each 0 or 1.
    #[inline(always)]
    pub fn push(&mut self, flags: &[u8]) {
        let Some(mask) = self.mask.as_deref_mut() else { return };
        let (eights, rest) = flags.as_chunks::<8>();
        for &eight in eights {
            let byte = gather(eight);
            mask[self.at] = self.pending | byte << self.bits;
            self.pending = (byte as u32 >> (8 - self.bits)) as u8;
            self.at += 1;
        }
        for &flag in rest {
            self.pending |= flag << self.bits;
            self.bits += 1;
            if self.bits == 8 {
                mask[self.at] = self.pending;
                (self.at, self.pending, self.bits) = (self.at + 1, 0, 0);
            }
        }
    }

    /// Writes the last byte, with unused bits 0.
    #[inline(always)]
    pub fn finish(self) {
        if let (Some(mask), true) = (self.mask, self.bits > 0) {
            mask[self.at] = self.pending;
        }
    }
}

/// One bit of an optional mask.
#[inline(always)]
pub fn bit(mask: Option<&[u8]>, n: usize) -> bool {
    mask.is_none_or(|m| m[n >> 3] >> (n & 7) & 1 != 0)
}

/// Expands the bits from `start` on into bytes, 0 or 1.
#[inline(always)]
pub fn spread(mask: &[u8], start: usize, out: &mut [u8]) {
    let (mut at, shift) = (start >> 3, start & 7);
    for eight in out.chunks_mut(8) {
        let next = if at + 1 < mask.len() { mask[at + 1] } else { 0 };
        let byte = (mask[at] as u32 | (next as u32) << 8) >> shift;
        let bytes = SPREAD[(byte & 255) as usize].to_le_bytes();
        eight.copy_from_slice(&bytes[..eight.len()]);
        at += 1;
    }
}
