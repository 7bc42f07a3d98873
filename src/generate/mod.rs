//! Generation by streaming state: a token costs the same at any position.
//!
//! A prompt is read in chunks; from then on each pass reads the token made last and draws the next on the device. Passes are
//! recorded some tokens ahead, and the host reads the tokens while later ones are made.

mod generator;
mod place;
mod sampling;
mod state;

pub use generator::Generator;
pub use sampling::Sampling;
pub use state::StreamState;
