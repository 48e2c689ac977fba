//! The Program as a file: see `docs/program.md`, which describes every byte.

use sha2::{Digest, Sha256};
use tinytrain_spec::kernels::{Element, Kernel};

use crate::{
    Boundary, Const, Data, Init, Input, Operand, Piece, Placed, Plan, Program, Purpose, Region, SamplePlace, SampleRow,
    Slot, State, StateKind, Step, VerifyError, Window,
};

/// The version that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 4;
const MAGIC: [u8; 8] = *b"TTPROG\r\n";
/// Magic, version, kernel table, length of the content.
const HEADER: usize = 8 + 4 + 4 + 4;
const HASH: usize = 32;

/// Why bytes are no Program.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not this format.
    #[error("not a Program file")]
    Magic,
    /// Written by another version.
    #[error(
        "a Program of another version of tinytrain: format {found}, this version reads {VERSION}; compile it again"
    )]
    Version {
        /// The file's version.
        found: u32,
    },
    /// Written with another kernel table.
    #[error("a Program of another version of tinytrain, with other kernels; compile it again")]
    Kernels,
    /// Shorter than its header says.
    #[error("a Program cut short: {found} of {expected} bytes")]
    Short {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be.
        expected: usize,
    },
    /// Changed since it was written.
    #[error("a damaged Program: its content does not match its hash")]
    Hash,
    /// Content that no writer of this version makes.
    #[error("a damaged Program: byte {at} is no {what}")]
    Content {
        /// Where reading stopped.
        at: usize,
        /// The thing expected there.
        what: &'static str,
    },
    /// Well-formed, but not to be run.
    #[error("a Program that cannot be run: {0}")]
    Verify(#[from] VerifyError),
}

impl FileError {
    /// Stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } | Self::Kernels => "PROGRAM_VERSION",
            _ => "PROGRAM_BROKEN",
        }
    }
}

/// Tells kernel tables apart: the first word of the SHA-256 over names, parameters and operands. A Program of another table would be read wrongly.
fn kernel_table() -> u32 {
    let text: String = Kernel::ALL.iter().map(|k| format!("{:?}", k.spec())).collect();
    let hash = Sha256::digest(text);
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

impl Program {
    /// The file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut content = Writer::default();
        content.program(self);
        let mut file = Vec::with_capacity(HEADER + content.0.len() + HASH);
        file.extend(MAGIC);
        for word in [VERSION, kernel_table(), content.0.len() as u32] {
            file.extend(word.to_le_bytes());
        }
        file.extend(content.0);
        let hash = Sha256::digest(&file);
        file.extend(hash);
        file
    }

    /// Reads a file. Nothing in it is trusted: header, hash and every byte are checked, then the Program is verified ([`Program::verify`],
    /// [`Program::verify_content`]).
    pub fn from_bytes(file: &[u8]) -> Result<Self, FileError> {
        let short = |expected| FileError::Short { found: file.len(), expected };
        if !file.starts_with(&MAGIC[..file.len().min(MAGIC.len())]) || file.is_empty() {
            return Err(FileError::Magic);
        }
        let header = file.get(..HEADER).ok_or(short(HEADER + HASH))?;
        let word = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        if word(8) != VERSION {
            return Err(FileError::Version { found: word(8) });
        }
        if word(12) != kernel_table() {
            return Err(FileError::Kernels);
        }
        let end = HEADER + word(16) as usize;
        if file.len() < end + HASH {
            return Err(short(end + HASH));
        }
        if file.len() > end + HASH {
            return Err(FileError::Content { at: end + HASH, what: "end of the file" });
        }
        if Sha256::digest(&file[..end])[..] != file[end..] {
            return Err(FileError::Hash);
        }
        let mut reader = Reader { file: &file[..end], at: HEADER };
        let program = reader.program()?;
        if reader.at != end {
            return Err(FileError::Content { at: reader.at, what: "end of the content" });
        }
        program.verify()?;
        program.verify_content()?;
        Ok(program)
    }

    /// SHA-256 over everything that determines results except the state at the start, in hexadecimal: Programs with the same one take each other's states.
    pub fn family(&self) -> String {
        let mut bare = self.clone();
        bare.states.iter_mut().for_each(|s| s.init = Init::Zero);
        bare.hash()
    }

    /// SHA-256 over the file's content, in hexadecimal: two Programs with the same hash are the same and give the same bits.
    pub fn hash(&self) -> String {
        let file = self.to_bytes();
        file[file.len() - HASH..].iter().map(|b| format!("{b:02x}")).collect()
    }
}

#[derive(Default)]
struct Writer(Vec<u8>);

impl Writer {
    fn word(&mut self, v: u32) {
        self.0.extend(v.to_le_bytes());
    }

    fn number(&mut self, v: usize) {
        self.word(v as u32);
    }

    fn long(&mut self, v: u64) {
        self.0.extend(v.to_le_bytes());
    }

    fn bytes(&mut self, v: &[u8]) {
        self.number(v.len());
        self.0.extend(v);
    }

    fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        self.number(items.len());
        items.iter().for_each(|item| each(self, item));
    }

    fn optional<T>(&mut self, item: Option<T>, each: impl FnOnce(&mut Self, T)) {
        self.word(item.is_some().into());
        if let Some(item) = item {
            each(self, item);
        }
    }

    fn slot(&mut self, s: &Slot) {
        self.word((s.region == Region::State).into());
        self.word(s.offset);
        self.word(s.bytes);
    }

    fn piece(&mut self, piece: &Piece) {
        self.word(piece.tensor);
        self.word(piece.from);
        self.slot(&piece.slot);
    }

    fn boundary(&mut self, boundary: &Boundary) {
        self.number(boundary.steps);
        self.list(&boundary.live, |w, (tensor, slot)| {
            w.word(*tensor);
            w.slot(slot);
        });
    }

    fn operand(&mut self, operand: Option<&Operand>) {
        match operand {
            None => self.word(0),
            Some(Operand::Constant(i)) => {
                self.word(1);
                self.number(*i);
            }
            Some(Operand::Memory(slot)) => {
                self.word(2);
                self.slot(slot);
            }
        }
    }

    fn step(&mut self, step: &Step) {
        self.bytes(step.label.as_bytes());
        self.bytes(step.call.kernel().spec().name.as_bytes());
        step.call.params(&mut |_, value| value.words(&mut |word| self.word(word)));
        step.call.operands(&mut |_, operand, _| self.operand(operand));
        self.list(&step.finished, Self::piece);
    }

    fn program(&mut self, p: &Program) {
        self.bytes(p.name.as_bytes());
        self.bytes(p.scheme.as_bytes());
        p.input.shape.iter().for_each(|&n| self.word(n));
        self.long(p.input.scale.to_bits());
        self.word(p.input.zero as u32);
        match &p.input.place {
            SamplePlace::Whole(slot) => {
                self.word(0);
                self.slot(slot);
            }
            SamplePlace::Rows(rows) => {
                self.word(1);
                self.list(rows, |w, row| {
                    w.number(row.step);
                    w.slot(&row.slot);
                });
            }
        }
        self.list(&p.consts, |w, c| {
            w.bytes(c.name.as_bytes());
            w.bytes(c.data.element().name().as_bytes());
            w.bytes(&c.data.to_bytes());
        });
        self.list(&p.states, |w, s| {
            w.bytes(s.name.as_bytes());
            w.number(StateKind::ALL.iter().position(|&k| k == s.kind).unwrap_or_default());
            w.optional(s.layer, Self::number);
            w.slot(&s.slot);
            let init = if let Init::Bytes(bytes) = &s.init { Some(bytes) } else { None };
            w.optional(init, |w, bytes| w.bytes(bytes));
        });
        self.list(&p.steps, Self::step);
        self.number(p.forward);
        self.number(p.classes);
        self.optional(p.logits.as_ref(), Self::slot);
        self.list(&p.outputs, Self::slot);
        self.word(p.arena_bytes);
        self.word(p.state_bytes);
        self.list(&p.buffers, |w, b| {
            w.bytes(b.label.as_bytes());
            w.number(Purpose::ALL.iter().position(|&p| p == b.purpose).unwrap_or_default());
            [b.size, b.offset].into_iter().for_each(|v| w.word(v));
            w.list(&b.windows, |w, v| [v.start, v.end, v.lo, v.hi].into_iter().for_each(|v| w.word(v)));
        });
        self.word(p.plan.lower_bound);
        self.bytes(p.plan.heuristic.as_bytes());
        self.list(&p.streams, |w, s| [s.start, s.end].into_iter().for_each(|v| w.number(v)));
        self.list(&p.boundaries, Self::boundary);
        self.optional(p.replay, Self::number);
        self.word(p.residual_bits);
        self.long(p.seed);
    }
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

type Read<T> = Result<T, FileError>;

impl<'a> Reader<'a> {
    fn fail<T>(&self, what: &'static str) -> Read<T> {
        Err(FileError::Content { at: self.at, what })
    }

    fn take(&mut self, n: usize, what: &'static str) -> Read<&'a [u8]> {
        match self.file[self.at..].get(..n) {
            Some(bytes) => {
                self.at += n;
                Ok(bytes)
            }
            None => self.fail(what),
        }
    }

    fn word(&mut self) -> Read<u32> {
        let b = self.take(4, "word")?;
        Ok(u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
    }

    fn number(&mut self) -> Read<usize> {
        Ok(self.word()? as usize)
    }

    fn long(&mut self) -> Read<u64> {
        let (low, high) = (self.word()?, self.word()?);
        Ok(u64::from(low) | u64::from(high) << 32)
    }

    fn flag(&mut self) -> Read<bool> {
        match self.word()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => self.fail("flag"),
        }
    }

    fn bytes(&mut self) -> Read<&'a [u8]> {
        let n = self.number()?;
        self.take(n, "text or array that ends within the file")
    }

    fn text(&mut self) -> Read<String> {
        let bytes = self.bytes()?;
        String::from_utf8(bytes.to_vec()).or_else(|_| self.fail("text"))
    }

    /// A list; memory for it is taken as its items are read, so that a wild count ends with the file.
    fn list<T>(&mut self, mut each: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        (0..self.number()?).map(|_| each(self)).collect()
    }

    fn optional<T>(&mut self, each: impl FnOnce(&mut Self) -> Read<T>) -> Read<Option<T>> {
        Ok(if self.flag()? { Some(each(self)?) } else { None })
    }

    fn slot(&mut self) -> Read<Slot> {
        let region = if self.flag()? { Region::State } else { Region::Arena };
        Ok(Slot { region, offset: self.word()?, bytes: self.word()? })
    }

    fn piece(&mut self) -> Read<Piece> {
        Ok(Piece { tensor: self.word()?, from: self.word()?, slot: self.slot()? })
    }

    fn boundary(&mut self) -> Read<Boundary> {
        Ok(Boundary { steps: self.number()?, live: self.list(|r| Ok((r.word()?, r.slot()?)))? })
    }

    fn operand(&mut self) -> Read<Option<Operand>> {
        match self.word()? {
            0 => Ok(None),
            1 => Ok(Some(Operand::Constant(self.number()?))),
            2 => Ok(Some(Operand::Memory(self.slot()?))),
            _ => self.fail("operand"),
        }
    }

    fn step(&mut self) -> Read<Step> {
        let label = self.text()?;
        let kernel = Kernel::named(&self.text()?).map_or_else(|| self.fail("kernel"), Ok)?;
        let at = self.at;
        // Parameters come before operands, so one after the other may borrow the reader.
        let reader = std::cell::RefCell::new(&mut *self);
        let call = kernel.call(&mut || reader.borrow_mut().word(), &mut |_| reader.borrow_mut().operand(), &|_| {
            FileError::Content { at, what: "call of this kernel: an operand is missing" }
        })?;
        Ok(Step { label, call, finished: self.list(Self::piece)? })
    }

    fn constant(&mut self) -> Read<Const> {
        let name = self.text()?;
        let element = self.text()?;
        let element = Element::ALL.into_iter().find(|e| e.name() == element);
        let element = element.map_or_else(|| self.fail("type of elements"), Ok)?;
        let bytes = self.bytes()?;
        let data = Data::from_bytes(element, bytes).map_or_else(|| self.fail("whole number of elements"), Ok)?;
        Ok(Const { name, data })
    }

    fn state(&mut self) -> Read<State> {
        let name = self.text()?;
        let kind = StateKind::ALL.get(self.number()?).copied();
        let kind = kind.map_or_else(|| self.fail("kind of state"), Ok)?;
        let layer = self.optional(Self::number)?;
        let slot = self.slot()?;
        let init = self.optional(Self::bytes)?.map_or(Init::Zero, |bytes| Init::Bytes(bytes.to_vec()));
        Ok(State { name, kind, layer, slot, init })
    }

    fn buffer(&mut self) -> Read<Placed> {
        let label = self.text()?;
        let purpose = Purpose::ALL.get(self.number()?).copied();
        let purpose = purpose.map_or_else(|| self.fail("purpose of a buffer"), Ok)?;
        let (size, offset) = (self.word()?, self.word()?);
        let window = |r: &mut Self| Ok(Window { start: r.word()?, end: r.word()?, lo: r.word()?, hi: r.word()? });
        Ok(Placed { label, purpose, size, offset, windows: self.list(window)? })
    }

    fn sample_place(&mut self) -> Read<SamplePlace> {
        let row = |r: &mut Self| Ok(SampleRow { step: r.number()?, slot: r.slot()? });
        Ok(if self.flag()? { SamplePlace::Rows(self.list(row)?) } else { SamplePlace::Whole(self.slot()?) })
    }

    fn program(&mut self) -> Read<Program> {
        let (name, scheme) = (self.text()?, self.text()?);
        let shape = [self.word()?, self.word()?, self.word()?];
        let scale = f64::from_bits(self.long()?);
        let input = Input { shape, scale, zero: self.word()? as i32, place: self.sample_place()? };
        Ok(Program {
            name,
            scheme,
            input,
            consts: self.list(Self::constant)?,
            states: self.list(Self::state)?,
            steps: self.list(Self::step)?,
            forward: self.number()?,
            classes: self.number()?,
            logits: self.optional(Self::slot)?,
            outputs: self.list(Self::slot)?,
            arena_bytes: self.word()?,
            state_bytes: self.word()?,
            buffers: self.list(Self::buffer)?,
            plan: Plan { lower_bound: self.word()?, heuristic: self.text()? },
            streams: self.list(|r| Ok(r.number()?..r.number()?))?,
            boundaries: self.list(Self::boundary)?,
            replay: self.optional(Self::number)?,
            residual_bits: self.word()?,
            seed: self.long()?,
        })
    }
}
