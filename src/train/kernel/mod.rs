//! Loops over CPU memory in one pass, for what libtorch needs several for. The compiler vectorises them for the processor at hand;
//! without fused multiply-add, so that every processor gives the same bits.

pub mod dense;
pub mod layer_norm;
pub mod maxout;
pub mod minibatch;
pub mod norm;
pub mod optim;
pub mod prelu;
