//! Initial weights: each distribution, drawn from a stream of random numbers.

use sweep_numerics::random::Stream;
use sweep_spec::arch::Init;
use sweep_tensor::linalg;

/// Fills `values` with weights of this `shape` (at least two dimensions), row by row of the first dimension.
pub(crate) fn draw(init: Init, shape: &[i64], stream: &Stream, values: &mut [f32]) {
    match init {
        Init::Normal { std } => normal(std, stream, values),
        Init::Uniform { bound } => uniform(bound, stream, values),
        Init::XavierUniform => uniform((6.0 / (fan_in(shape) + fan_out(shape))).sqrt(), stream, values),
        Init::XavierNormal => normal((2.0 / (fan_in(shape) + fan_out(shape))).sqrt(), stream, values),
        Init::HeUniform => uniform((6.0 / fan_in(shape)).sqrt(), stream, values),
        Init::HeNormal => normal((2.0 / fan_in(shape)).sqrt(), stream, values),
        Init::LecunNormal => normal((1.0 / fan_in(shape)).sqrt(), stream, values),
        Init::Pytorch => uniform((1.0 / fan_in(shape)).sqrt(), stream, values),
        Init::Orthogonal { gain } => {
            stream.fill_normal(values);
            linalg::orthonormalise(shape[0], values);
            scale(values, gain);
        }
    }
}

fn normal(std: f64, stream: &Stream, values: &mut [f32]) {
    stream.fill_normal(values);
    scale(values, std);
}

fn uniform(bound: f64, stream: &Stream, values: &mut [f32]) {
    stream.fill_symmetric(values);
    scale(values, bound);
}

fn scale(values: &mut [f32], factor: f64) {
    values.iter_mut().for_each(|value| *value *= factor as f32);
}

/// As in PyTorch, for weights `[a, b, ..]`.
fn fan_in(shape: &[i64]) -> f64 {
    shape[1..].iter().product::<i64>() as f64
}

/// As in PyTorch, for weights `[a, b, ..]`.
fn fan_out(shape: &[i64]) -> f64 {
    fan_in(shape) / shape[1] as f64 * shape[0] as f64
}
