//! The layers around the mixing, their loss and their optimizer.
pub mod adamw;
pub mod attention;
pub mod attention_stream;
pub mod cross_entropy;
pub mod cursor;
pub mod dropout;
pub mod embedding;
pub mod gradient_norm;
pub mod layer_norm;
pub mod linear;
pub mod sample;
pub mod stream_embedding;
pub mod train_state;
