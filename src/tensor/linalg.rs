//! Symmetric matrices in float64, by libtorch's LAPACK.

use tch::{Kind, TchError, Tensor};

/// Eigenvalues `[n]`, ascending, of the symmetric `matrix` `[n, n]` (its lower triangle is read). An error when an entry is not finite.
pub fn eigenvalues(matrix: &Tensor) -> Result<Tensor, TchError> {
    matrix.f_to_kind(Kind::Double)?.f_linalg_eigvalsh("L")
}

/// The symmetric square root of the positive semidefinite `matrix` `[n, n]`: R with R R = matrix. Negative eigenvalues, which
/// are rounding, count as 0. An error when an entry is not finite.
pub fn sqrt(matrix: &Tensor) -> Result<Tensor, TchError> {
    let (values, vectors) = matrix.f_to_kind(Kind::Double)?.f_linalg_eigh("L")?;
    let roots = values.f_clamp_min(0.0)?.f_sqrt()?;
    (&vectors * roots.unsqueeze(0)).f_matmul(&vectors.f_transpose(0, 1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(tensor: &Tensor) -> Vec<f64> {
        Vec::try_from(tensor.flatten(0, -1)).unwrap()
    }

    #[test]
    fn roots_and_eigenvalues_of_known_matrices() {
        // [[5, 4], [4, 5]] has eigenvalues 1 and 9, and the root [[2, 1], [1, 2]].
        let matrix = Tensor::from_slice(&[5.0, 4.0, 4.0, 5.0]).reshape([2, 2]);
        for (found, expected) in values(&sqrt(&matrix).unwrap()).iter().zip([2.0, 1.0, 1.0, 2.0]) {
            assert!((found - expected).abs() < 1e-14);
        }
        for (found, expected) in values(&eigenvalues(&matrix).unwrap()).iter().zip([1.0, 9.0]) {
            assert!((found - expected).abs() < 1e-14);
        }
    }

    #[test]
    fn a_singular_matrix_has_a_root_and_nan_is_an_error() {
        let ones = Tensor::ones([3, 3], (Kind::Double, tch::Device::Cpu));
        let root = sqrt(&ones).unwrap();
        for (found, expected) in values(&root.matmul(&root)).iter().zip([1.0; 9]) {
            assert!((found - expected).abs() < 1e-7);
        }
        assert!(sqrt(&(ones * f64::NAN)).is_err());
    }
}
