//! Stops long work from another thread, without a word of it in the signatures of what works.
//!
//! Planning and calibration are deep in calls, yield values that mean nothing unless they are whole, and are run for others that may lose interest. They call
//! [`check`] where time passes; if the work was started with [`under`] and has been told to stop, `check` unwinds to where it was started, as the queries of
//! rust-analyzer are cancelled (salsa, `Cancelled`). No panic hook sees it. Work that changes something that outlives it must not be run this way.
//!
//! Where nothing can unwind ([`UNWINDS`]), work goes on to its end.

use std::any::Any;
use std::cell::RefCell;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static STOP: RefCell<Option<Flag>> = const { RefCell::new(None) };
}

/// Set it, and the work under it stops.
pub type Flag = Arc<AtomicBool>;

/// Whether this build can unwind. One for WebAssembly cannot: there, a panic ends the module.
pub const UNWINDS: bool = cfg!(panic = "unwind");

/// What unwinds when work stops.
#[derive(Debug)]
pub struct Stopped;

/// The flag of the work on this thread, for other threads that it starts.
pub fn current() -> Option<Flag> {
    STOP.with_borrow(Clone::clone)
}

/// Does work that stops at its next [`check`] once the flag is set.
pub fn under<T>(flag: Option<Flag>, work: impl FnOnce() -> T) -> T {
    /// What was before comes back, also when `work` unwinds.
    struct Before(Option<Flag>);
    impl Drop for Before {
        fn drop(&mut self) {
            STOP.set(self.0.take());
        }
    }
    let _before = Before(STOP.replace(flag));
    work()
}

/// Unwinds with [`Stopped`] if the work on this thread is to stop.
#[inline]
pub fn check() {
    let stopped = STOP.with_borrow(|flag| flag.as_ref().is_some_and(|f| f.load(Ordering::Relaxed)));
    if UNWINDS && stopped {
        resume_unwind(Box::new(Stopped));
    }
}

/// The result of a thread that works for this one: what has unwound it goes on here.
pub fn joined<T>(result: Result<T, Box<dyn Any + Send>>) -> T {
    result.unwrap_or_else(|payload| resume_unwind(payload))
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn work_stops_at_a_check_and_nowhere_else() {
        let flag = Flag::default();
        let done = under(Some(flag.clone()), || {
            check();
            flag.store(true, Ordering::Relaxed);
            7
        });
        assert_eq!(done, 7);
        let stopped = catch_unwind(AssertUnwindSafe(|| under(Some(flag.clone()), check)));
        assert!(stopped.unwrap_err().is::<Stopped>());
        // Behind it nothing is to stop any more.
        check();
    }

    #[test]
    fn threads_stop_with_what_started_them() {
        let flag = Flag::default();
        flag.store(true, Ordering::Relaxed);
        let work = || {
            let flag = current();
            std::thread::scope(|scope| joined(scope.spawn(move || under(flag, check)).join()));
        };
        assert!(catch_unwind(AssertUnwindSafe(|| under(Some(flag), work))).unwrap_err().is::<Stopped>());
    }
}
