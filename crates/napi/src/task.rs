use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use napi::bindgen_prelude::{Object, ToNapiValue};
use napi::{Env, Result};
use napi_derive::napi;

use crate::error::Failure;

/// Stops a long operation and reports its progress. Use a control for one operation at a time.
#[napi]
#[derive(Default)]
pub struct Control {
    pub(crate) inner: tinytrain_exec::Control,
}

#[napi]
impl Control {
    /// A control for one operation.
    #[napi(catch_unwind, constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the operation to stop before its next step.
    #[napi(catch_unwind)]
    pub fn abort(&self) {
        self.inner.abort.store(true, Ordering::Relaxed);
    }

    /// Units done.
    #[napi(catch_unwind, getter)]
    pub fn done(&self) -> f64 {
        self.inner.progress.done.load(Ordering::Relaxed) as f64
    }

    /// Units in total.
    #[napi(catch_unwind, getter)]
    pub fn total(&self) -> f64 {
        self.inner.progress.total.load(Ordering::Relaxed) as f64
    }
}

/// Runs `work` on its own thread and returns a promise of its result. A panic rejects the promise.
pub fn on_thread<'e, T>(
    env: &'e Env,
    work: impl FnOnce() -> std::result::Result<T, Failure> + Send + 'static,
) -> Result<Object<'e>>
where
    T: ToNapiValue + Send + 'static,
{
    start(env, None, work)
}

/// The same for work that does not ask its control whether to stop, but is stopped by it wherever `tinytrain_stop::check` is called: calibration, planning.
pub fn stoppable<'e, T>(
    env: &'e Env,
    control: &Control,
    work: impl FnOnce() -> std::result::Result<T, Failure> + Send + 'static,
) -> Result<Object<'e>>
where
    T: ToNapiValue + Send + 'static,
{
    start(env, Some(control.inner.abort.clone()), work)
}

fn start<'e, T>(
    env: &'e Env,
    stop: Option<tinytrain_stop::Flag>,
    work: impl FnOnce() -> std::result::Result<T, Failure> + Send + 'static,
) -> Result<Object<'e>>
where
    T: ToNapiValue + Send + 'static,
{
    let work = move || {
        let done = tinytrain_stop::under(stop.clone(), || {
            tinytrain_stop::check();
            work()
        });
        // What could not be stopped on its way counts as stopped all the same.
        let late = !tinytrain_stop::UNWINDS && stop.is_some_and(|flag| flag.load(Ordering::Relaxed));
        if late { Err(stopped()) } else { done }
    };
    let (deferred, promise) = env.create_deferred()?;
    std::thread::Builder::new()
        .name("tinytrain".into())
        .spawn(move || match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(value)) => deferred.resolve(move |_| Ok(value)),
            Ok(Err(failure)) => deferred.reject(failure.into()),
            Err(panic) if panic.is::<tinytrain_stop::Stopped>() => {
                deferred.reject(stopped().into());
            }
            Err(panic) => deferred.reject(Failure::new("INTERNAL", panic_text(&*panic)).into()),
        })
        .map_err(|e| Failure::new("INTERNAL", format!("no thread could be started: {e}")))?;
    Ok(promise)
}

fn stopped() -> Failure {
    Failure::new("ABORTED", "stopped")
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("internal: {}", text.unwrap_or("a panic without a message"))
}
