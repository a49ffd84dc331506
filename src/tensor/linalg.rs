//! Matrices in float64, by libtorch's LAPACK.

use tch::{Kind, TchError, Tensor};

use super::host::to_f32;

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

/// Makes of a matrix `values` of so many `rows` one with orthonormal rows, or columns where there are fewer of these: the Q of its QR
/// decomposition with a positive diagonal of R, so that a matrix of independent normals becomes one of the uniform distribution over
/// all of these (Mezzadri, "How to generate random matrices from the classical compact groups", 2007).
///
/// # Panics
///
/// If an entry is not finite.
pub fn orthonormalise(rows: i64, values: &mut [f32]) {
    let matrix = Tensor::from_slice(values).to_kind(Kind::Double).view([rows, -1]);
    let wide = matrix.size()[1] > rows;
    let (q, r) = Tensor::linalg_qr(&if wide { matrix.tr() } else { matrix }, "reduced");
    let q = q * r.diagonal(0, 0, 1).sign();
    let q = if wide { q.tr() } else { q };
    values.copy_from_slice(&to_f32(&q));
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

    #[test]
    fn what_is_orthonormalised_is_the_nearest_by_its_columns() {
        // Of [[3, 1], [4, 2]]: the first column by its length, then what of the second is orthogonal to it.
        let mut square = [3.0, 1.0, 4.0, 2.0];
        orthonormalise(2, &mut square);
        for (found, expected) in square.iter().zip([0.6, -0.8, 0.8, 0.6]) {
            assert!((found - expected).abs() < 1e-6f32, "{square:?}");
        }
        // Of a wide matrix the rows.
        let mut wide = [0.0, 2.0, 0.0, 3.0, 5.0, 0.0];
        orthonormalise(2, &mut wide);
        assert_eq!(wide, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    }
}
