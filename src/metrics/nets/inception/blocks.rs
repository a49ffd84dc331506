//! The architecture of the Inception network of 2015-12-05 as data: blocks of branches, as in Szegedy et al. 2015
//! ("Rethinking the Inception architecture for computer vision", arXiv:1512.00567), with the pools of the published
//! graph.

/// The pooling at the start of a branch.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pool {
    /// Nothing.
    None,
    /// The mean of 3×3 pixels, counting only those inside the image.
    Mean,
    /// The maximum of 3×3 pixels.
    Max,
    /// The maximum of 3×3 pixels, with stride 2.
    Halve,
}

/// A convolution with batch normalisation and ReLU.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conv {
    /// Its name within its block.
    pub name: &'static str,
    /// Output channels.
    pub out: i64,
    /// Height and width.
    pub kernel: [i64; 2],
    pub stride: i64,
    /// Rows and columns of padding on each side.
    pub padding: [i64; 2],
}

/// A pool, then a chain of convolutions, then some in parallel. `L` stands for a convolution.
#[derive(Debug)]
pub(super) struct Branch<L> {
    pub pool: Pool,
    pub chain: Vec<L>,
    pub fork: Vec<L>,
}

/// Branches that share an input, and whose outputs are concatenated.
#[derive(Debug)]
pub(super) struct Block<L> {
    /// The prefix of its tensors' names: empty, or ending in a dot.
    pub prefix: &'static str,
    pub branches: Vec<Branch<L>>,
}

impl Block<Conv> {
    /// Replaces each convolution by the result of `load`, which gets its name, the convolution and its input channels.
    /// Also returns the block's number of output channels.
    pub(super) fn load<L, E>(
        &self,
        channels: i64,
        mut load: impl FnMut(&str, &Conv, i64) -> Result<L, E>,
    ) -> Result<(Block<L>, i64), E> {
        let (mut branches, mut all) = (Vec::new(), 0);
        for branch in &self.branches {
            let mut last = channels;
            let (mut chain, mut fork) = (Vec::new(), Vec::new());
            for conv in &branch.chain {
                chain.push(load(&format!("{}{}", self.prefix, conv.name), conv, last)?);
                last = conv.out;
            }
            for conv in &branch.fork {
                fork.push(load(&format!("{}{}", self.prefix, conv.name), conv, last)?);
            }
            all += if fork.is_empty() { last } else { branch.fork.iter().map(|conv| conv.out).sum() };
            branches.push(Branch { pool: branch.pool, chain, fork });
        }
        Ok((Block { prefix: self.prefix, branches }, all))
    }
}

/// Returns a convolution that keeps the size of its input.
const fn same(name: &'static str, out: i64, height: i64, width: i64) -> Conv {
    Conv { name, out, kernel: [height, width], stride: 1, padding: [height / 2, width / 2] }
}

/// Returns a 3×3 convolution without padding.
const fn bare(name: &'static str, out: i64, stride: i64) -> Conv {
    Conv { name, out, kernel: [3, 3], stride, padding: [0, 0] }
}

fn branch(chain: &[Conv]) -> Branch<Conv> {
    pooled(Pool::None, chain)
}

fn pooled(pool: Pool, chain: &[Conv]) -> Branch<Conv> {
    Branch { pool, chain: chain.to_vec(), fork: Vec::new() }
}

fn forked(chain: &[Conv], fork: [Conv; 2]) -> Branch<Conv> {
    Branch { pool: Pool::None, chain: chain.to_vec(), fork: fork.to_vec() }
}

/// InceptionA; its pool branch yields `pool` channels.
fn a(prefix: &'static str, pool: i64) -> Block<Conv> {
    let branches = vec![
        branch(&[same("branch1x1", 64, 1, 1)]),
        branch(&[same("branch5x5_1", 48, 1, 1), same("branch5x5_2", 64, 5, 5)]),
        branch(&[same("branch3x3dbl_1", 64, 1, 1), same("branch3x3dbl_2", 96, 3, 3), same("branch3x3dbl_3", 96, 3, 3)]),
        pooled(Pool::Mean, &[same("branch_pool", pool, 1, 1)]),
    ];
    Block { prefix, branches }
}

/// InceptionB.
fn b(prefix: &'static str) -> Block<Conv> {
    let branches = vec![
        branch(&[bare("branch3x3", 384, 2)]),
        branch(&[same("branch3x3dbl_1", 64, 1, 1), same("branch3x3dbl_2", 96, 3, 3), bare("branch3x3dbl_3", 96, 2)]),
        pooled(Pool::Halve, &[]),
    ];
    Block { prefix, branches }
}

/// InceptionC, with `inner` channels inside its branches.
fn c(prefix: &'static str, inner: i64) -> Block<Conv> {
    let branches = vec![
        branch(&[same("branch1x1", 192, 1, 1)]),
        branch(&[same("branch7x7_1", inner, 1, 1), same("branch7x7_2", inner, 1, 7), same("branch7x7_3", 192, 7, 1)]),
        branch(&[
            same("branch7x7dbl_1", inner, 1, 1),
            same("branch7x7dbl_2", inner, 7, 1),
            same("branch7x7dbl_3", inner, 1, 7),
            same("branch7x7dbl_4", inner, 7, 1),
            same("branch7x7dbl_5", 192, 1, 7),
        ]),
        pooled(Pool::Mean, &[same("branch_pool", 192, 1, 1)]),
    ];
    Block { prefix, branches }
}

/// InceptionD.
fn d(prefix: &'static str) -> Block<Conv> {
    let branches = vec![
        branch(&[same("branch3x3_1", 192, 1, 1), bare("branch3x3_2", 320, 2)]),
        branch(&[
            same("branch7x7x3_1", 192, 1, 1),
            same("branch7x7x3_2", 192, 1, 7),
            same("branch7x7x3_3", 192, 7, 1),
            bare("branch7x7x3_4", 192, 2),
        ]),
        pooled(Pool::Halve, &[]),
    ];
    Block { prefix, branches }
}

/// InceptionE; the last block of this kind has another pool.
fn e(prefix: &'static str, pool: Pool) -> Block<Conv> {
    let branches = vec![
        branch(&[same("branch1x1", 320, 1, 1)]),
        forked(&[same("branch3x3_1", 384, 1, 1)], [same("branch3x3_2a", 384, 1, 3), same("branch3x3_2b", 384, 3, 1)]),
        forked(
            &[same("branch3x3dbl_1", 448, 1, 1), same("branch3x3dbl_2", 384, 3, 3)],
            [same("branch3x3dbl_3a", 384, 1, 3), same("branch3x3dbl_3b", 384, 3, 1)],
        ),
        pooled(pool, &[same("branch_pool", 192, 1, 1)]),
    ];
    Block { prefix, branches }
}

/// Returns the blocks, which map 3×299×299 to 2048×8×8.
pub(super) fn network() -> Vec<Block<Conv>> {
    let start = [bare("Conv2d_1a_3x3", 32, 2), bare("Conv2d_2a_3x3", 32, 1), same("Conv2d_2b_3x3", 64, 3, 3)];
    let middle = [same("Conv2d_3b_1x1", 80, 1, 1), bare("Conv2d_4a_3x3", 192, 1)];
    vec![
        Block { prefix: "", branches: vec![branch(&start)] },
        Block { prefix: "", branches: vec![pooled(Pool::Halve, &middle)] },
        Block { prefix: "", branches: vec![pooled(Pool::Halve, &[])] },
        a("Mixed_5b.", 32),
        a("Mixed_5c.", 64),
        a("Mixed_5d.", 64),
        b("Mixed_6a."),
        c("Mixed_6b.", 128),
        c("Mixed_6c.", 160),
        c("Mixed_6d.", 160),
        c("Mixed_6e.", 192),
        d("Mixed_7a."),
        e("Mixed_7b.", Pool::Mean),
        e("Mixed_7c.", Pool::Max),
    ]
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn channels_match_the_published_network() {
        let (mut channels, mut after, mut parameters) = (3, Vec::new(), 0);
        for block in network() {
            let count = |_: &str, conv: &Conv, channels: i64| {
                parameters += channels * conv.out * conv.kernel[0] * conv.kernel[1];
                Ok::<_, Infallible>(())
            };
            (_, channels) = block.load(channels, count).unwrap();
            after.push(channels);
        }
        assert_eq!(after, [64, 192, 192, 256, 288, 288, 768, 768, 768, 768, 768, 1280, 2048, 2048]);
        assert_eq!(parameters, 21_751_136);
    }
}
