//! Matrix products in CPU memory.
//!
//! A call through libtorch costs 1.5 µs before it multiplies, as much as a small network's product itself. libtorch's
//! library exports the BLAS function that it calls in the end, so that is called directly if found.

use std::sync::OnceLock;

use libloading::os::unix::Library;
use tch::{Device, Kind, Tensor};

/// BLAS's `sgemm` with Fortran's calling convention: C ← α · op(A) · op(B) + β · C, column-major.
type Sgemm = unsafe extern "C" fn(
    *const u8,
    *const u8,
    *const i32,
    *const i32,
    *const i32,
    *const f32,
    *const f32,
    *const i32,
    *const f32,
    *const i32,
    *const f32,
    *mut f32,
    *const i32,
);

/// A matrix, or the transpose of one. Its rows or its columns are contiguous in memory.
#[derive(Clone, Copy, Debug)]
pub enum Factor<'a> {
    /// As it is.
    Plain(&'a Tensor),
    /// Rows and columns swapped.
    Transposed(&'a Tensor),
}

impl Factor<'_> {
    fn tensor(&self) -> &Tensor {
        match self {
            Factor::Plain(tensor) | Factor::Transposed(tensor) => tensor,
        }
    }

    /// Rows and columns of the matrix as it is used.
    fn shape(&self) -> (usize, usize) {
        let (rows, columns) = self.tensor().size2().expect("a matrix");
        match self {
            Factor::Plain(_) => (rows as usize, columns as usize),
            Factor::Transposed(_) => (columns as usize, rows as usize),
        }
    }

    /// BLAS's letter for this matrix in column-major order, and its leading dimension.
    fn blas(&self) -> (u8, i32) {
        let tensor = self.tensor();
        let (rows, columns) = tensor.size2().expect("a matrix");
        let (by_rows, step) = match tensor.stride2().expect("a matrix") {
            (row, 1) if row == columns || rows == 1 => (true, columns),
            (1, column) if column == rows || columns == 1 => (false, rows),
            strides => panic!("neither rows nor columns are contiguous: {rows} × {columns} at {strides:?}"),
        };
        let letter = if by_rows == matches!(self, Factor::Plain(_)) { b'N' } else { b'T' };
        (letter, i32::try_from(step).expect("a matrix side fits into 32 bits"))
    }

    fn view(&self) -> Tensor {
        match self {
            Factor::Plain(tensor) => tensor.shallow_clone(),
            Factor::Transposed(tensor) => tensor.tr(),
        }
    }
}

/// out ← a · b, `[m, n]` from `[m, k]` and `[k, n]`; all on the CPU and of one kind, `out` contiguous. Returns `out`.
///
/// # Panics
///
/// If shapes don't fit.
pub fn product(out: Tensor, a: Factor, b: Factor) -> Tensor {
    multiply(out, a, b, false)
}

/// out ← out + a · b, like [`product`].
pub fn add_product(out: Tensor, a: Factor, b: Factor) -> Tensor {
    multiply(out, a, b, true)
}

fn multiply(mut out: Tensor, a: Factor, b: Factor, add: bool) -> Tensor {
    let Some(sgemm) = sgemm().filter(|_| out.kind() == Kind::Float) else {
        let _ = match add {
            false => a.view().mm_out(&out, &b.view()),
            true => out.addmm_(&a.view(), &b.view()),
        };
        return out;
    };
    let ((m, k), (inner, n)) = (a.shape(), b.shape());
    assert!(
        k == inner && out.numel() == m * n && m * n * k > 0,
        "[{m}, {k}] times [{inner}, {n}] is not {:?}",
        out.size()
    );
    for tensor in [&out, a.tensor(), b.tensor()] {
        let fits = tensor.device() == Device::Cpu && tensor.kind() == Kind::Float;
        assert!(fits, "not a float32 matrix on the CPU: {tensor:?}");
    }
    assert!(out.is_contiguous(), "not contiguous: {out:?}");
    // A row-major matrix is its transpose in column-major order: outᵀ = bᵀ · aᵀ.
    let ((a_op, a_step), (b_op, b_step)) = (a.blas(), b.blas());
    let size = |value: usize| i32::try_from(value).expect("a matrix side fits into 32 bits");
    let (m, n, k) = (size(m), size(n), size(k));
    let (one, rest) = (1.0f32, f32::from(u8::from(add)));
    // SAFETY: the function has this signature (BLAS's, with 32-bit integers, as libtorch itself calls it). The three
    // matrices are float32 memory of the checked sizes and live through the call. Only this call writes to `out`, since
    // nobody holds a slice of it.
    unsafe {
        sgemm(
            &b_op,
            &a_op,
            &n,
            &m,
            &k,
            &one,
            b.tensor().data_ptr().cast::<f32>(),
            &b_step,
            a.tensor().data_ptr().cast::<f32>(),
            &a_step,
            &rest,
            out.data_ptr().cast::<f32>(),
            &n,
        );
    }
    out
}

fn sgemm() -> Option<Sgemm> {
    static FOUND: OnceLock<Option<Sgemm>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: a symbol of this name is BLAS's. It stays loaded as long as the process, which is linked to libtorch.
        unsafe { Library::this().get::<Sgemm>(b"sgemm_\0").ok().map(|function| *function) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::to_f64;
    use Factor::{Plain, Transposed};

    #[test]
    fn products_are_those_of_libtorch() {
        let options = (Kind::Float, Device::Cpu);
        for (m, n, k) in [(64, 128, 256), (128, 1, 64), (1, 7, 5), (512, 128, 2), (33, 65, 17)] {
            let (a, b) = (Tensor::randn([m, k], options), Tensor::randn([k, n], options));
            let expected = to_f64(&a.mm(&b));
            let (a_t, b_t) = (a.tr().contiguous(), b.tr().contiguous());
            let (a_c, b_c) = (a_t.tr(), b_t.tr());
            let (plain, turned) =
                ([Plain(&a), Plain(&a_c), Transposed(&a_t)], [Plain(&b), Plain(&b_c), Transposed(&b_t)]);
            for (x, y) in plain.into_iter().flat_map(|x| turned.into_iter().map(move |y| (x, y))) {
                let once = product(Tensor::empty([m, n], options), x, y);
                let twice = add_product(once.copy(), x, y) * 0.5;
                let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * (k as f64).sqrt();
                let same = [once, twice].iter().all(|found| to_f64(found).iter().zip(&expected).all(near));
                assert!(same, "{m}×{n}×{k} {x:?} {y:?}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "are contiguous")]
    fn matrices_with_holes_are_refused() {
        let matrix = Tensor::zeros([4, 4], (Kind::Float, Device::Cpu));
        let _ =
            product(Tensor::zeros([4, 2], (Kind::Float, Device::Cpu)), Plain(&matrix), Plain(&matrix.narrow(1, 0, 2)));
    }

    #[test]
    #[should_panic(expected = "is not")]
    fn shapes_that_do_not_fit_are_refused() {
        let matrix = |m, n| Tensor::zeros([m, n], (Kind::Float, Device::Cpu));
        let _ = product(matrix(2, 2), Plain(&matrix(2, 3)), Plain(&matrix(4, 2)));
    }
}
