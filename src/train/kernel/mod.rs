//! Loops over CPU memory in one pass, where libtorch needs several. The compiler vectorises them for the processor at
//! hand, without fused multiply-add, so every processor gives the same bits.

pub mod dense;
pub mod layer_norm;
pub mod maxout;
pub mod minibatch;
pub mod norm;
pub mod optim;
pub mod prelu;
