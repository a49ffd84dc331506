//! Linear algebra in float64, with libtorch's LAPACK.

use tch::{Kind, TchError, Tensor};

use super::host::to_f32;

/// The singular values of `matrix` `[n, m]`, largest first, in float64. An error if an entry is not finite.
pub fn singular_values(matrix: &Tensor) -> Result<Tensor, TchError> {
    Ok(matrix.f_to_kind(Kind::Double)?.f_svd(true, false)?.1)
}

/// Orthogonal matrices U `[n, n]` and V `[n, n]` with matrix = U S Vᵀ for a diagonal S, of a square `matrix`. An error
/// if an entry is not finite.
pub fn rotations(matrix: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let (u, _, v) = matrix.f_to_kind(Kind::Double)?.f_svd(true, true)?;
    Ok((u, v))
}

/// A matrix R `[m, m]` with RᵀR = AᵀA, for A `[n, m]` with n ≥ m: the triangle of its QR decomposition, which avoids
/// squaring.
pub fn triangle(matrix: &Tensor) -> Result<Tensor, TchError> {
    Ok(Tensor::f_linalg_qr(&matrix.f_to_kind(Kind::Double)?, "r")?.1)
}

/// The eigenvalues, ascending, of the symmetric positive semidefinite `matrix` `[n, n]` (only its lower triangle is
/// read), and R with RᵀR = matrix. Negative eigenvalues, and others as small as rounding errors, count as 0 in R. An
/// error if an entry is not finite.
pub fn factor(matrix: &Tensor) -> Result<(Vec<f64>, Tensor), TchError> {
    let (values, vectors) = matrix.f_to_kind(Kind::Double)?.f_linalg_eigh("L")?;
    let list = Vec::<f64>::try_from(&values)?;
    let noise = list.iter().fold(0.0, |most: f64, value| most.max(value.abs())) * f64::EPSILON * list.len() as f64;
    let roots: Vec<f64> = list.iter().map(|&value| if value > noise { value.sqrt() } else { 0.0 }).collect();
    let roots = Tensor::from_slice(&roots).to_device(values.device());
    Ok((list, roots.unsqueeze(1) * vectors.f_transpose(0, 1)?))
}

/// Turns the matrix `values` with `rows` rows into one with orthonormal rows, or orthonormal columns if it has fewer
/// columns. The result is the Q of its QR decomposition with a positive diagonal of R. A matrix of independent normals
/// becomes a uniformly distributed one (Mezzadri, "How to generate random matrices from the classical compact groups",
/// 2007).
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
    fn factors_triangles_and_singular_values_of_known_matrices() {
        // [[5, 4], [4, 5]] has eigenvalues 1 and 9.
        let matrix = Tensor::from_slice(&[5.0, 4.0, 4.0, 5.0]).reshape([2, 2]);
        let (eigenvalues, factor) = factor(&matrix).unwrap();
        let near = |found: &[f64], expected: &[f64]| {
            assert_eq!(found.len(), expected.len());
            found.iter().zip(expected).for_each(|(found, expected)| assert!((found - expected).abs() < 1e-14));
        };
        near(&eigenvalues, &[1.0, 9.0]);
        near(&values(&factor.tr().matmul(&factor)), &[5.0, 4.0, 4.0, 5.0]);
        near(&values(&singular_values(&matrix).unwrap()), &[9.0, 1.0]);
        let tall = Tensor::from_slice(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape([3, 2]);
        let r = triangle(&tall).unwrap();
        near(&values(&r.tr().matmul(&r)), &[35.0, 44.0, 44.0, 56.0]);
    }

    #[test]
    fn a_singular_matrix_has_a_factor_without_noise_and_nan_is_an_error() {
        let ones = Tensor::ones([3, 3], (Kind::Double, tch::Device::Cpu));
        let (_, root) = factor(&ones).unwrap();
        for (found, expected) in values(&root.tr().matmul(&root)).iter().zip([1.0; 9]) {
            assert!((found - expected).abs() < 1e-14);
        }
        assert_eq!(values(&root.abs().sum_dim_intlist(1, false, Kind::Double))[..2], [0.0, 0.0]);
        assert!(factor(&(ones * f64::NAN)).is_err());
    }

    #[test]
    fn orthonormalising_keeps_the_directions_of_columns_in_order() {
        // Of [[3, 1], [4, 2]]: the normalised first column, then the part of the second that is orthogonal to it.
        let mut square = [3.0, 1.0, 4.0, 2.0];
        orthonormalise(2, &mut square);
        for (found, expected) in square.iter().zip([0.6, -0.8, 0.8, 0.6]) {
            assert!((found - expected).abs() < 1e-6f32, "{square:?}");
        }
        // The rows of a wide matrix.
        let mut wide = [0.0, 2.0, 0.0, 3.0, 5.0, 0.0];
        orthonormalise(2, &mut wide);
        assert_eq!(wide, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
    }
}
