use napi::Result;
use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use tinytrain_spec::camera::{Pixels, View, sample};

use crate::error::Failure;

/// A camera's frame and the window of it that becomes a sample, in pixels: see `spec::camera`.
#[napi(object)]
pub struct CameraView {
    /// See `spec::camera::View`.
    pub width: u32,
    /// See `spec::camera::View`.
    pub height: u32,
    /// See `spec::camera::View`.
    pub left: u32,
    /// See `spec::camera::View`.
    pub top: u32,
    /// See `spec::camera::View`.
    pub columns: u32,
    /// See `spec::camera::View`.
    pub rows: u32,
}

impl From<&CameraView> for View {
    fn from(v: &CameraView) -> Self {
        let CameraView { width, height, left, top, columns, rows } = *v;
        Self { width, height, left, top, columns, rows }
    }
}

fn invalid(why: impl std::fmt::Display) -> Failure {
    Failure::new("OPTION_INVALID", why)
}

/// Throws for a view that is none.
#[napi(catch_unwind)]
pub fn check_camera(view: CameraView) -> Result<()> {
    Ok(View::from(&view).check().map_err(|why| invalid(format!("a window of a camera's frame: {why}")))?)
}

/// The pixels of a sample (`shape`: rows, columns, 1 or 3 channels) from a frame, of 1 or 3 bytes a pixel.
#[napi(catch_unwind)]
pub fn camera_sample(view: CameraView, frame: Uint8Array, shape: Vec<u32>) -> Result<Uint8Array> {
    let view = View::from(&view);
    view.check().map_err(invalid)?;
    let bytes = view.width as usize * view.height as usize;
    let pixels = [Pixels::Grey, Pixels::Rgb888].into_iter().find(|p| bytes * p.bytes() == frame.len());
    let pixels = pixels.ok_or_else(|| invalid("a frame of other bytes than its pixels have"))?;
    let shape = <[u32; 3]>::try_from(shape).ok().filter(|s| !s.contains(&0) && matches!(s[2], 1 | 3));
    let shape = shape.ok_or_else(|| invalid("a sample without pixels"))?;
    Ok(sample(&view, pixels, &frame, shape).into())
}
