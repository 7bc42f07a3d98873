//! Texts to train on.
