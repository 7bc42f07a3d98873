//! The browser home of `aft-wgpu`: a shell until the page arrives.
pub use aft_wgpu as aft;
