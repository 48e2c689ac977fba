//! Whether a Program may be executed. After this a runtime looks at no offset, length, index or parameter again: kernels read and write exactly the bytes
//! of their operands, and an operand that is written overlaps no other of its step unless the kernel works in place.

use tinytrain_spec::kernels::{Call, Kernel, OperandSpec, ParamKind, Returns, Role, Scalar};
use tinytrain_spec::packed;
use tinytrain_spec::params::ConvParams;

use crate::{Data, Init, Operand, Program, Region, SamplePlace, Slot, StateKind, Step, Window};

/// The largest region of RAM in bytes: 1 GiB.
const LARGEST_REGION: u32 = 1 << 30;
/// The most classes of a head.
const MOST_CLASSES: usize = 1 << 16;

/// Why a Program cannot be executed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// A step.
    #[error("step {step} ({label}): {what}")]
    Step {
        /// Which.
        step: usize,
        /// For people.
        label: String,
        /// The rule it breaks.
        what: String,
    },
    /// Anything else.
    #[error("{0}")]
    Program(String),
}

type Check = Result<(), VerifyError>;

fn ensure(good: bool, what: impl FnOnce() -> String) -> Check {
    if good { Ok(()) } else { Err(VerifyError::Program(what())) }
}

impl Program {
    /// Checks every offset, length and index, every kernel's parameters, and the order of the steps. Does not look into constants and the initial state
    /// ([`Program::verify_content`]): their values change results, not where a kernel reads and writes.
    pub fn verify(&self) -> Result<(), VerifyError> {
        ensure(self.arena_bytes.max(self.state_bytes) <= LARGEST_REGION, || "a region of RAM beyond 1 GiB".into())?;
        ensure([0, 2, 4, 8].contains(&self.residual_bits), || format!("{} residual bits", self.residual_bits))?;
        self.verify_input()?;
        self.verify_states()?;
        self.verify_parts()?;
        self.verify_replay()?;
        self.verify_places()?;
        for (i, step) in self.steps.iter().enumerate() {
            self.verify_step(i, step).map_err(|what| VerifyError::Step { step: i, label: step.label.clone(), what })?;
        }
        Ok(())
    }

    fn inside(&self, slot: Slot) -> bool {
        let size = if slot.region == Region::Arena { self.arena_bytes } else { self.state_bytes };
        u64::from(slot.offset) + u64::from(slot.bytes) <= u64::from(size)
    }

    fn in_arena(&self, slot: Slot) -> bool {
        slot.region == Region::Arena && self.inside(slot)
    }

    fn verify_input(&self) -> Check {
        let input = &self.input;
        let bytes = input.shape.iter().try_fold(1u32, |n, &d| n.checked_mul(d));
        ensure(bytes.is_some_and(|b| 0 < b && b <= LARGEST_REGION), || "an input without a size".into())?;
        let other_size = || "an input of another size than its shape".to_string();
        match &input.place {
            SamplePlace::Whole(slot) => {
                ensure(bytes == Some(slot.bytes), other_size)?;
                ensure(self.in_arena(*slot), || "the input ends beyond the arena".into())?;
            }
            SamplePlace::Rows(rows) => {
                let whole = rows.len() == input.shape[0] as usize;
                ensure(whole && rows.iter().all(|r| r.slot.bytes == input.row_bytes()), other_size)?;
                ensure(rows.iter().all(|r| self.in_arena(r.slot)), || "the input ends beyond the arena".into())?;
                let ordered = rows.windows(2).all(|w| w[0].step <= w[1].step);
                // They come in during the first steps, which are a loop that can stop before each of them.
                let first = self.streams.first().filter(|s| s.start == 0).map_or(0, |s| s.end);
                let inside = rows.last().is_some_and(|r| r.step < first);
                ensure(ordered && inside, || "rows of the input out of order".into())?;
            }
        }
        let good = input.scale.is_finite() && input.scale > 0.0 && (-128..=127).contains(&input.zero);
        ensure(good, || "a quantisation of the input that there is not".into())
    }

    fn verify_states(&self) -> Check {
        let mut end = 0;
        for s in &self.states {
            let Slot { region, offset, bytes } = s.slot;
            let good = region == Region::State && self.inside(s.slot) && bytes > 0;
            ensure(good && offset >= end && offset.is_multiple_of(4), || format!("the place of {}", s.name))?;
            ensure(bytes.is_multiple_of(s.kind.element().bytes()), || format!("the length of {}", s.name))?;
            let whole = if let Init::Bytes(init) = &s.init { init.len() == bytes as usize } else { true };
            ensure(whole, || format!("the start of {}", s.name))?;
            end = offset + bytes;
        }
        ensure(end.next_multiple_of(4) == self.state_bytes, || "a state of another size than its tensors".into())
    }

    /// The replay buffer has all its parts, once, and what it keeps has a place in the arena.
    fn verify_replay(&self) -> Check {
        let parts = self.states.iter().filter(|s| s.kind.is_replay()).count();
        if self.replay.is_none() {
            return ensure(parts == 0, || "parts of a replay buffer in a Program without one".into());
        }
        let Some(replay) = self.replay().filter(|_| parts == 3) else {
            return Err(VerifyError::Program("a replay buffer that is not whole".into()));
        };
        // A tag is a class and 1.
        ensure(self.classes < MOST_CLASSES, || format!("{} classes in a replay buffer", self.classes))?;
        let placed = replay.boundary.steps > 0 || !replay.boundary.live.is_empty();
        let samples = u64::from(replay.places()) * self.boundary_bytes(replay.boundary) as u64;
        let counts = 2 * self.classes as u64 * u64::from(StateKind::ReplayCounts.element().bytes());
        let sizes = u64::from(replay.samples.bytes) == samples && u64::from(replay.counts.bytes) == counts;
        ensure(placed && samples > 0 && sizes, || "a replay buffer of another size than its samples".into())
    }

    /// The forward pass ends with the head, and only what comes behind trains.
    fn verify_parts(&self) -> Check {
        ensure(self.forward <= self.steps.len(), || "parts beyond the last step".into())?;
        let ascending = self.boundaries.windows(2).all(|w| w[0].steps < w[1].steps);
        let first = self.boundaries.first().is_some_and(|b| b.steps == 0);
        let inside = self.boundaries.iter().all(|b| b.steps <= self.forward);
        ensure(first && ascending && inside, || "boundaries out of order".into())?;
        let placed = self.input.whole().is_some() || self.boundaries[0].live.is_empty();
        ensure(placed, || "a sample that is nowhere whole, kept for a boundary".into())?;
        let mut at = 0;
        for s in &self.streams {
            ensure(s.start >= at && s.start < s.end && s.end <= self.steps.len(), || "streams out of order".into())?;
            at = s.end;
            let split = self.forward > s.start && self.forward < s.end;
            let parted = self.boundaries.iter().any(|b| b.steps > s.start && b.steps < s.end);
            ensure(!split && !parted, || "a stream across a boundary".into())?;
        }
        ensure(self.classes <= MOST_CLASSES, || format!("{} classes", self.classes))?;
        let head = self.steps.iter().position(|s| s.call.kernel().spec().returns == Returns::HeadResult);
        if self.classes == 0 {
            return ensure(head.is_none() && self.forward == self.steps.len() && self.logits.is_none(), || {
                "a head without classes, or steps behind the forward pass".into()
            });
        }
        ensure(head.is_some_and(|at| at + 1 == self.forward), || {
            "a forward pass that does not end with its head".into()
        })?;
        ensure(
            self.steps[self.forward..].iter().all(|s| s.call.kernel().spec().returns != Returns::HeadResult),
            || "a second head".into(),
        )?;
        let Call::HeadError(error) = &self.steps[self.forward - 1].call else {
            return ensure(false, || "a head without an error".into());
        };
        let logits = error.logits.slot();
        ensure(error.classes as usize == self.classes && logits.is_some() && logits == self.logits, || {
            "a head of other classes or logits".into()
        })?;
        let trains = |s: &&Step| {
            let spec = s.call.kernel().spec();
            let given = spec.params.iter().any(|p| matches!(p.kind, ParamKind::Given(_) | ParamKind::Update(_)));
            given || spec.operands.iter().any(|o| o.role == Role::Train)
        };
        ensure(self.steps[..self.forward - 1].iter().find(trains).is_none(), || "a forward pass that trains".into())
    }

    /// Places beside those of the steps.
    fn verify_places(&self) -> Check {
        ensure(self.outputs.iter().all(|&s| self.in_arena(s)), || "an output beyond the arena".into())?;
        let live = self.boundaries.iter().flat_map(|b| &b.live).map(|(_, slot)| *slot);
        let finished = self.steps.iter().flat_map(|s| &s.finished).map(|p| p.slot);
        ensure(live.chain(finished).all(|s| self.in_arena(s)), || "a tensor beyond the arena".into())?;
        let last = self.steps.len().max(1) as u32;
        for b in &self.buffers {
            let good = |w: &Window| {
                let top = u64::from(b.offset) + u64::from(w.hi);
                w.start < w.end && w.end <= last && w.lo <= w.hi && w.hi <= b.size && top <= self.arena_bytes.into()
            };
            let unbroken = b.windows.windows(2).all(|w| w[0].end == w[1].start);
            ensure(!b.windows.is_empty() && unbroken && b.windows.iter().all(good), || {
                format!("the place of the buffer {}", b.label)
            })?;
        }
        Ok(())
    }

    fn verify_step(&self, index: usize, step: &Step) -> Result<(), String> {
        let kernel = step.call.kernel();
        if kernel == Kernel::HeadError && index + 1 != self.forward {
            return Err("an error that is not the head's".into());
        }
        step.call.check().map_err(|what| format!("{what} that the kernel does not take"))?;
        self.verify_bits(&step.call)?;
        let mut operands: Vec<(&OperandSpec, Operand)> = Vec::new();
        let mut wrong = None;
        step.call.operands(&mut |spec, operand, length| {
            let Some(&operand) = operand else { return };
            let bytes = length.elements.saturating_mul(spec.element.bytes().into());
            if let Err(what) = self.verify_operand(spec, operand, bytes, length.exact) {
                wrong = wrong.take().or(Some(format!("{}: {what}", spec.name)));
            }
            operands.push((spec, operand));
        });
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        self.verify_presence(&step.call)?;
        for (i, &(a, at)) in operands.iter().enumerate() {
            for &(b, bt) in &operands[i + 1..] {
                let (Some(x), Some(y)) = (at.slot(), bt.slot()) else { continue };
                let in_place = (a.in_place == Some(b.name) || b.in_place == Some(a.name)) && x == y;
                if (a.role.writes() || b.role.writes()) && x.overlaps(y) && !in_place {
                    return Err(format!("{} overlaps {}", a.name, b.name));
                }
            }
        }
        Ok(())
    }

    fn verify_operand(
        &self,
        spec: &OperandSpec,
        operand: Operand,
        bytes: i64,
        exact: bool,
    ) -> Result<(), &'static str> {
        let length = |found: usize| if exact { found as i64 == bytes } else { found as i64 >= bytes };
        match operand {
            Operand::Constant(i) => {
                let constant = self.consts.get(i).ok_or("a constant that does not exist")?;
                if spec.role != Role::Constant {
                    return Err("a constant");
                }
                if constant.data.element() != spec.element {
                    return Err("a constant of another type");
                }
                if !length(constant.data.bytes()) {
                    return Err("a constant of another length");
                }
            }
            Operand::Memory(slot) => {
                let state = matches!(spec.role, Role::State | Role::Train);
                if state != (slot.region == Region::State) || spec.role == Role::Constant {
                    return Err("it lies in another memory");
                }
                if !self.inside(slot) {
                    return Err("it ends beyond its region");
                }
                if !slot.offset.is_multiple_of(spec.align()) {
                    return Err("it is not aligned");
                }
                if !length(slot.bytes as usize) {
                    return Err("another length than the parameters say");
                }
                let is_tensor =
                    |s: &&crate::State| s.slot == slot && s.kind.element() == spec.element && !s.kind.is_replay();
                if state && self.states.iter().find(is_tensor).is_none() {
                    return Err("it is no trainable tensor");
                }
            }
        }
        Ok(())
    }

    /// Trained weights have the Program's residual bits.
    fn verify_bits(&self, call: &Call<Operand>) -> Result<(), String> {
        match call {
            Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) if c.u.bits != self.residual_bits as i32 => {
                Err(format!("{} residual bits in a Program of {}", c.u.bits, self.residual_bits))
            }
            _ => Ok(()),
        }
    }

    /// Operands of convolutions that must be there because others are: a part of the weights with its channels, scratch that a kernel wants.
    fn verify_presence(&self, call: &Call<Operand>) -> Result<(), String> {
        let depthwise = call.kernel().depthwise();
        let parts = |p: &ConvParams, frozen: bool, trained: bool, channels: bool| {
            let all = p.selectable(depthwise);
            (frozen == (p.trained < all)
                && trained == (p.trained > 0)
                && (channels || p.trained == 0 || p.trained == all))
                .then_some(())
                .ok_or_else(|| "weights of other channels than the parameters say".to_string())
        };
        match call {
            Call::Conv(c) | Call::Depthwise(c) => {
                parts(&c.p, c.frozen.is_some(), c.trained.is_some(), c.channels.is_some())?;
            }
            Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => {
                parts(&c.p, c.frozen.is_some(), c.trained.is_some(), c.channels.is_some())?;
            }
            Call::DepthwiseSquare(c) => parts(&c.p, c.frozen.is_some(), c.trained.is_some(), true)?,
            Call::DepthwiseSquareInputGrad(c) => parts(&c.p, c.frozen.is_some(), c.trained.is_some(), true)?,
            Call::Pointwise(c) => parts(&c.p, c.packed.is_some(), c.trained.is_some(), c.channels.is_some())?,
            Call::PointwiseInputGrad(c) => parts(&c.p, c.packed.is_some(), c.trained.is_some(), c.channels.is_some())?,
            Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) => {
                parts(&c.p, c.p.trained < c.p.selectable(depthwise), true, c.channels.is_some())?;
                if c.lo.is_some() != (c.u.bits > 0) {
                    return Err("residual bits without a place".into());
                }
            }
            _ => {}
        }
        if call.room().is_some() && call.scratch().is_none() { Err("no scratch".into()) } else { Ok(()) }
    }

    /// Checks the values of constants and of the initial state where a kernel counts on them: channels in order, multipliers and shifts in range; and that names and labels can stand in C. Sums that leave int32 are not looked for: they wrap, on host and device alike.
    pub fn verify_content(&self) -> Result<(), VerifyError> {
        self.verify_names()?;
        for (i, step) in self.steps.iter().enumerate() {
            self.verify_values(&step.call).map_err(|what| VerifyError::Step {
                step: i,
                label: step.label.clone(),
                what: what.into(),
            })?;
        }
        Ok(())
    }

    fn verify_names(&self) -> Check {
        let names = || self.consts.iter().map(|c| &c.name).chain(self.states.iter().map(|s| &s.name));
        let identifier = |name: &str| {
            name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        };
        for name in names() {
            ensure(identifier(name), || format!("a name that is no identifier: {name:?}"))?;
        }
        let mut sorted: Vec<_> = names().collect();
        sorted.sort_unstable();
        ensure(sorted.windows(2).all(|w| w[0] != w[1]), || "two tensors of one name".into())?;
        let labels = self.steps.iter().map(|s| &s.label).chain(self.buffers.iter().map(|b| &b.label));
        let unprintable = |text: &&String| text.contains("*/") || text.chars().any(char::is_control);
        let texts = labels.chain([&self.name, &self.scheme, &self.plan.heuristic]);
        ensure(texts.clone().find(unprintable).is_none(), || "a label that cannot be printed".into())
    }

    fn constant(&self, operand: Option<Operand>) -> Option<&Data> {
        match operand {
            Some(Operand::Constant(i)) => self.consts.get(i).map(|c| &c.data),
            _ => None,
        }
    }

    fn values<T: Scalar>(&self, operand: Option<Operand>) -> &[T] {
        self.constant(operand).and_then(Data::elements).unwrap_or_default()
    }

    fn verify_channels(&self, channels: Option<Operand>, of: i32) -> Result<(), &'static str> {
        let channels = self.values::<u16>(channels);
        let good = channels.windows(2).all(|w| w[0] < w[1]) && channels.last().is_none_or(|&c| i32::from(c) < of);
        if good { Ok(()) } else { Err("channels out of order or range") }
    }

    /// Packed weights are weights, 0 where trained ones come in, and no sum over them can leave its bits.
    fn verify_packed(
        &self,
        p: &ConvParams,
        packed: Option<Operand>,
        trained: Option<Operand>,
        channels: Option<Operand>,
    ) -> Result<(), &'static str> {
        self.verify_channels(channels, p.in_c)?;
        let k = p.in_c as usize;
        let weights = match packed {
            Some(_) => packed::unpack(self.values(packed), k).ok_or("packed weights that are none")?,
            None => vec![0; k * p.out_c as usize],
        };
        if p.trained < p.in_c {
            let trained = self.values::<u16>(channels);
            let clear = |row: &[i8]| trained.iter().all(|&c| row[usize::from(c)] == 0);
            if !weights.chunks_exact(k).all(clear) {
                return Err("a packed weight in the place of a trained one");
            }
        }
        if self.packs(p, &weights, trained) { Ok(()) } else { Err("weights that cannot be packed") }
    }

    /// Whether a convolution's weights can be packed, with zeros for trained ones, which are those of `trained` at first: see `spec::packed`.
    pub fn packs(&self, p: &ConvParams, weights: &[i8], trained: Option<Operand>) -> bool {
        let starts = |s: &crate::State| match &s.init {
            Init::Bytes(bytes) => !bytes.contains(&(i8::MIN as u8)),
            _ => true,
        };
        let trained = trained.and_then(|t| t.slot());
        let trainable = trained.is_none_or(|slot| self.states.iter().filter(|s| s.slot == slot).all(starts));
        trainable && packed::fits(weights, p.in_c as usize, p.trained, p.x_zero)
    }

    fn verify_values(&self, call: &Call<Operand>) -> Result<(), &'static str> {
        let depthwise = call.kernel().depthwise();
        let scales = |m: Option<Operand>, shift: Option<Operand>| {
            let good =
                self.values::<i32>(m).iter().all(|&m| m >= 0) && self.values::<u8>(shift).iter().all(|&s| s <= 31);
            if good { Ok(()) } else { Err("a multiplier or shift out of range") }
        };
        match call {
            Call::Conv(c) | Call::Depthwise(c) => {
                self.verify_channels(c.channels, c.p.selectable(depthwise))?;
                scales(Some(c.m), c.shift)
            }
            Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => {
                self.verify_channels(c.channels, c.p.selectable(depthwise))
            }
            Call::Pointwise(c) => {
                scales(Some(c.m), None)?;
                self.verify_packed(&c.p, c.packed, c.trained, c.channels)
            }
            Call::PointwiseWide(c) => {
                scales(Some(c.m), None)?;
                let weights = packed::narrow(self.values(Some(c.wide)), c.p.in_c as usize);
                weights.map(drop).ok_or("wide weights that are none")
            }
            Call::Window(c) => {
                scales(Some(c.m), None)?;
                let [kh, run] = [c.p.kh, c.p.kw * c.p.in_c].map(|n| n as usize);
                let weights = packed::unwindow(self.values(Some(c.wide)), kh, run);
                weights.map(drop).ok_or("wide weights that are none")
            }
            Call::PointwiseInputGrad(c) => self.verify_packed(&c.p, c.packed, c.trained, c.channels),
            Call::DepthwiseSquare(c) => scales(Some(c.m), None),
            Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) => {
                self.verify_channels(c.channels, c.p.selectable(depthwise))
            }
            Call::GradScale(c) => scales(c.m, c.shift),
            _ => Ok(()),
        }
    }
}
