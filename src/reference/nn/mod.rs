//! Layers of a network other than AFT, the loss, and the optimizer.
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
