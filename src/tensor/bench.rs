//! Measures how fast this machine computes.

use std::time::{Duration, Instant};

use libloading::os::unix::Library;
use multiversion::multiversion;
use tch::{Device, Kind, Tensor, get_num_threads, no_grad_guard, set_num_threads};

/// Side of the matrices: large enough for full speed, small enough to fit into the cache.
const SIDE: i64 = 1024;

/// Speed of a product of float32 matrices on one CPU core, in GFLOP/s: the best within `time`. Changes libtorch's
/// number of threads while it measures.
pub fn sgemm_gflops(time: Duration) -> f64 {
    let threads = get_num_threads();
    set_num_threads(1);
    let _no_grad = no_grad_guard();
    let matrix = || Tensor::ones([SIDE, SIDE], (Kind::Float, Device::Cpu));
    let (a, b) = (matrix(), matrix());
    let mut out = a.matmul(&b);
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < time || best == Duration::MAX {
        let once = Instant::now();
        out = a.matmul_out(&out, &b);
        best = best.min(once.elapsed());
    }
    set_num_threads(threads);
    2.0 * (SIDE as f64).powi(3) / best.as_secs_f64() / 1e9
}

/// Numbers to stream over: 256 MiB, several times as much as any cache of one core.
const STREAM: usize = 64 << 20;

/// Memory speed of one thread, in GB/s: the best within `time` of reading and writing float32 numbers in place,
/// counting both.
pub fn memory_gigabytes(time: Duration) -> f64 {
    let mut numbers = vec![1.0f32; STREAM];
    let mut best = Duration::MAX;
    let start = Instant::now();
    while start.elapsed() < time || best == Duration::MAX {
        let once = Instant::now();
        pass(std::hint::black_box(&mut numbers));
        best = best.min(once.elapsed());
    }
    2.0 * size_of_val(numbers.as_slice()) as f64 / best.as_secs_f64() / 1e9
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn pass(numbers: &mut [f32]) {
    for number in numbers {
        *number = 0.5 * *number + 0.5;
    }
}

/// Whether this executable lets MKL use its fast kernels on processors of every maker (see src/worker.rs).
pub fn mkl_is_told() -> bool {
    // SAFETY: the only function of this name takes nothing, returns an int and has no effect. MKL, which calls it,
    // defines it so.
    unsafe {
        Library::this()
            .get::<unsafe extern "C" fn() -> i32>(b"mkl_serv_intel_cpu_true\0")
            .is_ok_and(|function| function() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_that_of_a_computer_and_threads_stay_as_they_were() {
        let threads = get_num_threads();
        let gflops = sgemm_gflops(Duration::from_millis(20));
        assert!((0.5..5000.0).contains(&gflops), "{gflops} GFLOP/s");
        assert_eq!(get_num_threads(), threads);
        let gigabytes = memory_gigabytes(Duration::from_millis(20));
        assert!((0.2..5000.0).contains(&gigabytes), "{gigabytes} GB/s");
    }
}
